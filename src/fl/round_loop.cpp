#include "fl/round_loop.hpp"

#include "base/log.hpp"
#include "fl/adaptation.hpp"
#include "fl/start.hpp"
#include "fl/world.hpp"

#include <algorithm>
#include <utility>

namespace feddip::fl {

namespace {

ongoing_round begun(const workplace& here, const round_plan& plan) {
    ongoing_round now{.plan = plan, .who = {}, .record = {}, .ladder = nullptr, .phase = {}};
    now.record.round = plan.round + 1;
    now.record.learning_rate = now.plan.sgd.learning_rate;
    now.record.regularization = now.plan.sgd.regularization;
    now.record.target_sparsity = now.plan.target_sparsity;
    now.record.drift = here.drift.strength(plan.round);
    return now;
}

template <typename Tell>
void observe(const workplace& here, Tell tell) {
    if (here.at_server()) {
        std::ranges::for_each(here.observers, tell);
    }
}

void run_round(world& stages, adaptation& answers, workplace& here, run_state& state) {
    const stopwatch whole;
    auto now = begun(here, answers.plan(state.rounds_done));
    stages.run(now, state);
    answers.listen(now.record);
    now.record.seconds_round = whole.seconds();
    ++state.rounds_done;
    if (here.at_server()) {
        state.history.push_back(here.guarantee ? released(now.record, *here.guarantee)
                                               : std::move(now.record));
    }
    observe(here, [&](observer* o) { o->on_round(state); });
}

} // namespace

run_result run(const experiment& what, transport& ranks, const run_info& info,
               std::span<observer* const> observers, const std::function<bool()>& stop_requested,
               std::optional<run_state> resumed) {
    workplace here(what, ranks, observers);
    auto begin = start(here, std::move(resumed));
    run_state& state = begin.state;
    const auto stages = here.how->neighbours() > 0 ? make_peers(here) : make_served(here, begin.owed);
    adaptation answers(here, state.history);
    const auto rounds = here.rounds();
    observe(here, [&](observer* o) { o->on_start(info, state); });
    if (state.rounds_done < rounds) {
        stages->prepare(state);
    }
    bool stopped = false;
    while (state.rounds_done < rounds && !stopped) {
        run_round(*stages, answers, here, state);
        stopped = ranks.any(stop_requested());
    }
    const bool complete = state.rounds_done >= rounds;
    if (here.at_server() && complete && rounds < what.config.federation.rounds) {
        log::info("after round {} of {} the next would pass privacy.epsilon = {}: the run is complete",
                  rounds, what.config.federation.rounds, what.config.privacy.epsilon);
    }
    observe(here, [&](observer* o) { o->on_finish(state, complete); });
    return {.state = std::move(state), .complete = complete};
}

} // namespace feddip::fl
