#include "fl/aggregator.hpp"

#include "base/log.hpp"
#include "fl/packing.hpp"
#include "fl/training.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace feddip::fl {

namespace {

// What a rank tells rank 0 beside its updates: this, then the records of its clients.
struct rank_summary {
    double seconds_train = 0;
    std::uint64_t bytes_sent = 0; // since the run began
};

// On rank 0.
struct gathered_reports {
    std::vector<client_record> clients; // in slot order
    double seconds_train = 0;           // of the slowest rank
    std::uint64_t bytes_sent = 0;       // on all ranks, since the run began
};

// Owners ascend with slots, so that what ranks report, one after the other, is in slot order.
gathered_reports gather(const training_report& mine, transport& ranks) {
    const rank_summary summary{.seconds_train = mine.seconds, .bytes_sent = ranks.bytes_sent()};
    std::vector<std::byte> message;
    append(message, std::span<const rank_summary>(&summary, 1));
    append(message, std::span<const client_record>(mine.clients));
    gathered_reports all;
    const auto messages = ranks.gather(message);
    for (std::span<const std::byte> rest : messages) {
        const auto theirs = take_one<rank_summary>(rest);
        all.seconds_train = std::max(all.seconds_train, theirs.seconds_train);
        all.bytes_sent += theirs.bytes_sent;
        std::ranges::copy(take_rest<client_record>(rest), std::back_inserter(all.clients));
    }
    return all;
}

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
        now.record.train_loss = included(now.record.clients, now.plan.round).train_loss;
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
    const auto all = gather(mine, here_.ranks);
    now.record.seconds_train = all.seconds_train;
    now.record.seconds_communicate = std::max(0.0, now.phase.lap() - all.seconds_train);
    if (!here_.at_server()) {
        return std::nullopt;
    }
    now.record.mpi_bytes = handed_to_mpi_.since_last(all.bytes_sent);
    now.record.clients = records_of(now.who, all.clients);
    if (here_.guarantee) { // what comes of the round doesn't depend on who took part in it
        return updates.result(0);
    }
    const auto usable = included(now.record.clients, now.plan.round, std::max(1, rule_->least_updates(0)));
    now.record.train_loss = usable.train_loss;
    if (usable.samples == 0) {
        log::warning("round {}: no client sent an update that could be used; the model stays as it is",
                     now.record.round);
        return std::nullopt;
    }
    const int needed = rule_->least_updates(not_finite(now.record.clients));
    if (usable.updates < needed) {
        log::warning(
            "round {}: the rule of aggregation needs {} updates and got {}; the model stays as it is",
            now.record.round, needed, usable.updates);
        now.record.train_loss = not_measured;
        std::ranges::for_each(now.record.clients, [](auto& c) { c.included = 0; });
        return std::nullopt;
    }
    leave_out(updates.left_out(), now);
    auto average = updates.result(usable.samples);
    now.record.coverage = average.coverage;
    now.record.layer_coverage = std::move(average.layer_coverage);
    return average;
}

} // namespace feddip::fl
