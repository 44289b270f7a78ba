#include "fl/adaptation.hpp"

#include "base/log.hpp"
#include "fl/packing.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::fl {

adaptation::adaptation(const workplace& here, std::span<const round_record> past) : here_(here) {
    const auto& settings = here_.what.config.adaptation;
    if (settings.answer == config::answer_kind::none) {
        return;
    }
    detector_ = make_detector(settings);
    for (round_record record : past) {
        listen(record);
    }
}

bool adaptation::answers(int round) const {
    return alarm_ >= 0 && round - alarm_ <= config::answer_rounds_of(here_.what.config, alarm_);
}

round_plan adaptation::plan(int round) {
    if (!detector_) {
        return here_.how->plan(round);
    }
    alarm_ = broadcast(here_.ranks, std::span<const int>(&alarm_, 1)).front();
    return answers(round) ? here_.how->plan_after_alarm(round, round - alarm_) : here_.how->plan(round);
}

void adaptation::listen(round_record& record) {
    const int round = record.round - 1;
    if (!detector_ || !here_.at_server() || answers(round) || std::isnan(record.train_loss)) {
        return;
    }
    const double of_a_guess = std::log(here_.what.data.facts.classes);
    if (detector_->add(std::min(1.0, record.train_loss / of_a_guess))) {
        record.alarm = 1;
        alarm_ = round;
        detector_ = make_detector(here_.what.config.adaptation);
    }
}

} // namespace feddip::fl
