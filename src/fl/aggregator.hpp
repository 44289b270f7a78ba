// Takes the updates of a round to the server, by the rule that the config names.
#pragma once

#include "fl/aggregation/aggregation.hpp"
#include "fl/experiment.hpp"
#include "fl/gathering.hpp"
#include "fl/round.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace feddip::fl {

struct training_report;

class aggregator {
public:
    explicit aggregator(workplace& here);

    // Collective: a round in which updates are collected. It looks at both as long as it lives.
    std::unique_ptr<aggregation> open(const ongoing_round& now, const run_state& state) const;

    // Collective. On rank 0 writes down who sent what, and returns what the updates amount to: nothing where
    // all clients dropped out, or too many for the rule. Throws feddip::error where no client sent a finite
    // update.
    std::optional<aggregate> close(aggregation& updates, const training_report& mine, ongoing_round& now);

private:
    void write_down(const training_report& mine, ongoing_round& now);
    // Behind the updates that count; 0 where they are too few, and the model stays as it is.
    std::uint64_t usable_samples(ongoing_round& now) const;

    workplace& here_;
    std::unique_ptr<aggregation_rule> rule_;
    gathering<training_report> gathering_;
};

} // namespace feddip::fl
