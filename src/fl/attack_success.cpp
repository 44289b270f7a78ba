#include "fl/attack_success.hpp"

#include "data/test_pool.hpp"
#include "fl/attacks/attack.hpp"
#include "fl/evaluation.hpp"

#include <span>

namespace feddip::fl {

attack_success::attack_success(workplace& here) : here_(here), how_(make_attack(here.what.config)) {
    if (const auto wanted = how_ ? how_->wanted_class() : std::nullopt) {
        const auto labels = here.what.data.test.labels;
        wanted_.assign(labels.size(), *wanted);
        for (std::uint32_t i = 0; i < labels.size(); ++i) {
            if (labels[i] != *wanted) {
                others_.push_back(i);
            }
        }
    }
}

attack_success::~attack_success() = default;

double attack_success::at(const global_model& model) const {
    if (others_.empty()) {
        return not_measured;
    }
    auto data = here_.what.data;
    data.test.labels = wanted_;
    const data::test_pool marked(data, others_, [&](std::uint32_t, std::span<std::uint8_t> pixels) {
        how_->mark(data.facts, pixels);
    });
    return evaluate(model, marked, here_.network, here_.ranks).accuracy;
}

} // namespace feddip::fl
