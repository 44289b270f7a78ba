#include "fl/aggregator.hpp"

#include "base/log.hpp"
#include "fl/records.hpp"
#include "fl/training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace feddip::fl {

namespace {

int not_finite(std::span<const client_record> clients) {
    return static_cast<int>(
        std::ranges::count_if(clients, [](const auto& c) { return c.included == 0 && c.dropped_out == 0; }));
}

// Those that the rule leaves out, beside those that were not finite.
void leave_out(std::span<const int> slots, ongoing_round& now) {
    for (const int slot : slots) {
        now.record.clients[now.who.slots[static_cast<std::size_t>(slot)]].included = 0;
    }
    if (!slots.empty()) {
        now.record.train_loss = require_usable(now.record.clients, now.plan.round).train_loss;
    }
    now.record.hostile_included = static_cast<int>(std::ranges::count_if(
        now.record.clients, [](const auto& c) { return c.hostile != 0 && c.included != 0; }));
}

} // namespace

aggregator::aggregator(workplace& here) : here_(here), rule_(make_aggregation_rule(here.what.config)) {}

std::unique_ptr<aggregation> aggregator::open(const ongoing_round& now, const run_state& state) const {
    return rule_->start({.plan = now.plan,
                         .layout = here_.layout,
                         .model = state.model,
                         .owner_of_slot = now.who.owners,
                         .protection = state.protection.value_or(protection_state{}),
                         .sampled_of_slot = now.who.slots,
                         .sampled = now.who.sampled.size(),
                         .ladder = now.ladder,
                         .part_of_slot = now.who.parts},
                        here_.ranks);
}

std::optional<aggregate> aggregator::close(aggregation& updates, const training_report& mine,
                                           ongoing_round& now) {
    updates.collect();
    write_down(mine, now);
    if (!here_.at_server()) {
        return std::nullopt;
    }
    if (here_.guarantee) { // what comes of the round doesn't depend on who took part in it
        return updates.result(0);
    }
    const auto samples = usable_samples(now);
    if (samples == 0) {
        return std::nullopt;
    }
    leave_out(updates.left_out(), now);
    auto average = updates.result(samples);
    now.record.coverage = average.coverage;
    now.record.layer_coverage = std::move(average.layer_coverage);
    return average;
}

void aggregator::write_down(const training_report& mine, ongoing_round& now) {
    const auto [all, mpi_bytes] = gathering_.run(mine, here_.ranks);
    now.record.seconds_train = all.seconds;
    now.record.seconds_communicate = std::max(0.0, now.phase.lap() - all.seconds);
    if (here_.at_server()) {
        now.record.mpi_bytes = mpi_bytes;
        now.record.clients = records_of(now.who, all.clients);
    }
}

std::uint64_t aggregator::usable_samples(ongoing_round& now) const {
    const auto usable =
        require_usable(now.record.clients, now.plan.round, std::max(1, rule_->least_updates(0)));
    const int needed = rule_->least_updates(not_finite(now.record.clients));
    if (usable.samples > 0 && usable.updates >= needed) {
        now.record.train_loss = usable.train_loss;
        return usable.samples;
    }
    const auto problem =
        usable.samples == 0
            ? "no client sent an update that could be used"
            : fmt::format("the rule of aggregation needs {} updates and got {}", needed, usable.updates);
    log::warning("round {}: {}; the model stays as it is", now.record.round, problem);
    std::ranges::for_each(now.record.clients, [](auto& c) { c.included = 0; });
    return 0;
}

} // namespace feddip::fl
