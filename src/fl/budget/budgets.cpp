#include "fl/budget/budgets.hpp"

#include "base/bisection.hpp"
#include "base/error.hpp"
#include "fl/accounting.hpp"
#include "fl/packing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace feddip::fl {

namespace {

// At which no layer is without weights: of magnitudes each has one where the rungs that don't turn have as
// many weights as there are layers, and the narrowest slices have a unit of each.
int lowest_level(const sparse::ladder& ladder, std::size_t layers, bool turns) {
    if (ladder.slices_width()) {
        return 1;
    }
    int rungs_at_rest = std::max(1, ladder.level_of(layers));
    while (rungs_at_rest < sparse::rungs && ladder.count({.level = rungs_at_rest}) < layers) {
        ++rungs_at_rest;
    }
    return turns ? std::min(sparse::ladder_part::lowest_with(rungs_at_rest), sparse::rungs) : rungs_at_rest;
}

} // namespace

budgets::budgets(const workplace& here, accounting& charges)
    : here_(here), charges_(charges), links_(here.what.config),
      controller_(make_controller(here.what.config.budget, here.layout)) {}

void budgets::assign(ongoing_round& now, run_state& state) {
    if (here_.what.config.budget.mode == config::budget_kind::drop) {
        drop_late(now, state);
    }
    if (controller_) {
        rank_weights(now.plan.round, state);
        share_out(now, state);
    }
}

void budgets::share_out(ongoing_round& now, const run_state& state) {
    const auto levels = told_by_server(now, [&](const participant& p) { return level_for(p, now, state); });
    for (std::size_t i = 0; i < levels.size(); ++i) {
        auto& p = now.who.sampled[i];
        p.part = part_at(levels[i], now.plan.round);
        if (p.part.limited()) {
            now.ladder = &state.ladder;
        }
    }
    // Until somebody holds a part, all is as without budgets.
    if (now.ladder || parts_were_held(state)) {
        for (auto& p : now.who.sampled) {
            p.feedback = feedback_of(p, now.plan.round);
        }
    }
}

bool budgets::parts_were_held(const run_state& state) const {
    std::int32_t were_held = here_.at_server() && !state.client_part.empty() ? 1 : 0;
    return broadcast(here_.ranks, std::span<const std::int32_t>(&were_held, 1)).front() != 0;
}

void budgets::drop_late(ongoing_round& now, const run_state& state) {
    const auto late = told_by_server(now, [&](const participant& p) {
        const auto price = charges_.price(now.plan, state, p.client, {});
        auto work = work_of(p, p.samples(), here_.what.config);
        work.bytes_down = static_cast<double>(price.down);
        work.bytes_up = static_cast<double>(price.up);
        return p.answers && links_.seconds(work) > here_.what.config.budget.deadline_s ? 1 : 0;
    });
    for (std::size_t i = 0; i < late.size(); ++i) {
        auto& p = now.who.sampled[i];
        p.late = late[i] != 0;
        p.answers = p.answers && !p.late;
    }
}

// What the server decides on each sampled client: it alone knows what they hold.
std::vector<std::int32_t>
budgets::told_by_server(const ongoing_round& now,
                        const std::function<int(const participant&)>& decide) const {
    std::vector<std::int32_t> decided;
    if (here_.at_server()) {
        std::ranges::transform(now.who.sampled, std::back_inserter(decided), decide);
    }
    return broadcast(here_.ranks, std::span<const std::int32_t>(decided));
}

// Every rank has the same model, and ranks it in the same round.
void budgets::rank_weights(int round, run_state& state) const {
    const auto& budget = here_.what.config.budget;
    const bool is_due = budget.ranked_every > 0 && round % budget.ranked_every == 0;
    const bool is_outdated =
        state.ladder.rung_of().empty() || state.ladder_version != state.model.mask_version;
    if (budget.ranking != config::ranking_kind::magnitude) {
        const bool rolls = budget.ranking == config::ranking_kind::rolling_width;
        state.ladder = {here_.layout, sparse::width_slices{.shift = rolls ? round : 0}};
    } else if (is_due || is_outdated) {
        sparse::ladder ranked(here_.layout, state.model.mask,
                              std::span(state.model.state).first(here_.layout.prunable_size()),
                              budget.layer_floor);
        if (is_outdated || !std::ranges::equal(ranked.rung_of(), state.ladder.rung_of())) {
            state.ladder = std::move(ranked);
            state.ladder_round = round;
        }
    }
    state.ladder_version = state.model.mask_version;
}

int budgets::level_for(const participant& p, const ongoing_round& now, const run_state& state) {
    const auto& ladder = state.ladder;
    const int highest = highest_level(p.client, ladder, now.plan.round);
    const int lowest = lowest_level(ladder, here_.layout.weights().size(), here_.what.config.budget.rotate);
    const auto allowed = controller_->next(past_of(p.client, state));
    const auto affords = [&](int level) {
        const auto part = part_at(level, now.plan.round);
        const auto price = charges_.price(now.plan, state, p.client, part);
        return allowed.covers(static_cast<double>(price.down), static_cast<double>(price.up));
    };
    if (highest < lowest || (controller_->is_binding() && !affords(lowest))) {
        throw error(fmt::format("client {} can't take part", p.client), "budget",
                    "not even one weight of each layer fits; raise its density or bytes_per_round");
    }
    if (affords(highest)) {
        return highest;
    }
    return last_for_which(lowest, highest, affords);
}

// A window that turns may have a weight or two more than the rungs of its level.
int budgets::highest_level(int client, const sparse::ladder& ladder, int round) const {
    const double density = density_of(client);
    if (density == 1) {
        return sparse::ladder_part::unlimited;
    }
    const auto can_hold =
        static_cast<std::size_t>(density * static_cast<double>(here_.layout.prunable_size()));
    int level = ladder.level_of(can_hold);
    while (level > 0 && ladder.count(part_at(level, round)) > can_hold) {
        --level;
    }
    return level;
}

std::vector<past_round> budgets::past_of(int client, const run_state& state) const {
    std::vector<past_round> past;
    for (const auto& round : state.history) {
        const auto its = std::ranges::lower_bound(round.clients, client, {}, &client_record::id);
        if (its != round.clients.end() && its->id == client && its->dropped_out == 0 &&
            its->simulated_seconds >= 0) {
            past.push_back({.down = static_cast<double>(its->bytes_down),
                            .up = static_cast<double>(its->bytes_up),
                            .seconds = its->simulated_seconds});
        }
    }
    return past;
}

double budgets::density_of(int client) const {
    return largest_density(here_.what.config.budget, links_.class_of(client));
}

// None where a client has no room for weights that it does not hold, or units that it lacks.
double budgets::feedback_of(const participant& p, int round) const {
    const auto& budget = here_.what.config.budget;
    const bool has_room = density_of(p.client) == 1 && budget.ranking == config::ranking_kind::magnitude;
    return has_room ? feedback_strength(budget, p.kept_in < 0 ? 0 : round - p.kept_in) : 0;
}

sparse::ladder_part budgets::part_at(int level, int round) const {
    const bool turns = here_.what.config.budget.rotate && level < sparse::rungs;
    return {.level = level, .turn = turns ? round : -1};
}

} // namespace feddip::fl
