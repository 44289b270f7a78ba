// How a run tells the world about itself. Implemented by io (results, checkpoints) and app (progress).
#pragma once

#include "fl/state.hpp"

namespace feddip::fl {

// Called on rank 0 only, in the order on_start, (on_progress*, on_round)*, on_finish.
class observer {
public:
    virtual ~observer() = default;

    // `state` is what the run starts from: empty, or that of a checkpoint.
    virtual void on_start(const run_info&, const run_state&) {}
    // Within a round: this rank's share of the local training that is done, 0 .. 1.
    virtual void on_progress(int /*round*/, double /*share*/) {}
    // `state.history.back()` is the record of the round.
    virtual void on_round(const run_state&) {}
    // After the last round (complete) or when the run was asked to stop.
    virtual void on_finish(const run_state&, bool /*complete*/) {}
};

} // namespace feddip::fl
