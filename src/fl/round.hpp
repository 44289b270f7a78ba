// One round on its way from stage to stage.
#pragma once

#include "base/clock.hpp"
#include "fl/method.hpp"
#include "fl/participant.hpp"
#include "fl/state.hpp"

namespace feddip::fl {

struct ongoing_round {
    round_plan plan;
    cast who;
    round_record record;                    // complete on rank 0
    const sparse::ladder* ladder = nullptr; // of the model's mask, where some hold only a part of it
    stopwatch phase;                        // what took time writes it down, and starts the watch anew
};

} // namespace feddip::fl
