// Where a run begins.
#pragma once

#include "fl/experiment.hpp"
#include "fl/first_look.hpp"

#include <optional>

namespace feddip::fl {

struct started {
    run_state state;
    start_cost owed; // by the first client, for its look at its data; on rank 0
};

// Collective: w'_0 with its mask, or where `resumed` (looked at on rank 0 only) left off.
started start(workplace& here, std::optional<run_state> resumed);

} // namespace feddip::fl
