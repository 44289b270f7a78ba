#include "fl/round_loop.hpp"

#include "base/log.hpp"
#include "fl/start.hpp"
#include "fl/world.hpp"

#include <algorithm>
#include <utility>

namespace feddip::fl {

namespace {

ongoing_round begun(const method& how, int t) {
    ongoing_round now{.plan = how.plan(t), .who = {}, .record = {}, .ladder = nullptr, .phase = {}};
    now.record.round = t + 1;
    now.record.learning_rate = now.plan.sgd.learning_rate;
    now.record.regularization = now.plan.sgd.regularization;
    now.record.target_sparsity = now.plan.target_sparsity;
    return now;
}

template <typename Tell>
void observe(const workplace& here, Tell tell) {
    if (here.at_server()) {
        std::ranges::for_each(here.observers, tell);
    }
}

void run_round(world& stages, workplace& here, run_state& state) {
    const stopwatch whole;
    auto now = begun(*here.how, state.rounds_done);
    stages.run(now, state);
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
    auto [state, owed] = start(here, std::move(resumed));
    const auto stages = here.how->neighbours() > 0 ? make_peers(here) : make_served(here, owed);
    const auto rounds = here.rounds();
    observe(here, [&](observer* o) { o->on_start(info, state); });
    if (state.rounds_done < rounds) {
        stages->prepare(state);
    }
    bool stopped = false;
    while (state.rounds_done < rounds && !stopped) {
        run_round(*stages, here, state);
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
