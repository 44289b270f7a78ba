#include "fl/budget/budgets.hpp"

#include "base/error.hpp"
#include "fl/packing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

namespace feddip::fl {

namespace {

// At which no layer is without weights.
int lowest_level(const sparse::ladder& ladder, std::size_t layers) {
    const int level = std::max(1, ladder.level_of(layers));
    return level < sparse::rungs && ladder.count({.level = level}) < layers ? level + 1 : level;
}

} // namespace

budgets::budgets(const workplace& here, accounting& charges)
    : here_(here), charges_(charges), links_(here.what.config.links, here.what.config.federation.seed),
      controller_(make_controller(here.what.config.budget, here.layout)) {}

void budgets::assign(ongoing_round& now, run_state& state) {
    if (!controller_) {
        return;
    }
    rank_weights(state);
    auto& sampled = now.who.sampled;
    std::vector<std::int32_t> levels(here_.at_server() ? sampled.size() : 0);
    std::ranges::transform(sampled.begin(), sampled.begin() + static_cast<std::ptrdiff_t>(levels.size()),
                           levels.begin(), [&](const participant& p) { return level_for(p, now, state); });
    levels = broadcast(here_.ranks, std::span<const std::int32_t>(levels));
    for (std::size_t i = 0; i < sampled.size(); ++i) {
        sampled[i].part = part_at(levels[i], now.plan.round);
        if (sampled[i].part.limited()) {
            now.ladder = &state.ladder;
        }
    }
    std::ranges::transform(now.who.slots, std::back_inserter(now.who.parts),
                           [&](std::size_t i) { return sampled[i].part; });
}

// Every rank has the same model, and ranks it in the same round.
void budgets::rank_weights(run_state& state) const {
    if (state.ladder.rung_of().empty() || state.ladder_version != state.model.mask_version) {
        state.ladder = {here_.layout, state.model.mask,
                        std::span(state.model.state).first(here_.layout.prunable_size()),
                        here_.what.config.budget.layer_floor};
        state.ladder_version = state.model.mask_version;
    }
}

int budgets::level_for(const participant& who, const ongoing_round& now, const run_state& state) {
    const auto& ladder = state.ladder;
    const double density = largest_density(here_.what.config.budget, links_.class_of(who.client));
    const double can_hold = density * static_cast<double>(here_.layout.prunable_size());
    const int highest =
        density < 1 ? ladder.level_of(static_cast<std::size_t>(can_hold)) : sparse::ladder_part::unlimited;
    const int lowest = lowest_level(ladder, here_.layout.weights().size());
    const double most = controller_->bytes(past_of(who.client, state));
    const auto affords = [&](int level) {
        const auto part = part_at(level, now.plan.round);
        return static_cast<double>(charges_.price(now.plan, state, who.client, part)) <= most;
    };
    if (highest < lowest || (controller_->is_binding() && !affords(lowest))) {
        throw error(fmt::format("client {} can't take part", who.client), "budget",
                    "not even one weight of each layer fits; raise its density or bytes_per_round");
    }
    if (affords(highest)) {
        return highest;
    }
    int affordable = lowest;
    for (int beyond = highest; beyond - affordable > 1;) {
        const int middle = affordable + (beyond - affordable) / 2;
        (affords(middle) ? affordable : beyond) = middle;
    }
    return affordable;
}

std::vector<past_round> budgets::past_of(int client, const run_state& state) const {
    std::vector<past_round> past;
    for (const auto& round : state.history) {
        const auto its = std::ranges::lower_bound(round.clients, client, {}, &client_record::id);
        if (its != round.clients.end() && its->id == client && its->dropped_out == 0 &&
            its->simulated_seconds > 0) {
            past.push_back({.bytes = static_cast<double>(its->bytes_down + its->bytes_up),
                            .seconds = its->simulated_seconds});
        }
    }
    return past;
}

sparse::ladder_part budgets::part_at(int level, int round) const {
    const bool turns = here_.what.config.budget.rotate && level < sparse::rungs;
    return {.level = level, .turn = turns ? round : -1};
}

} // namespace feddip::fl
