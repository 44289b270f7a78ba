// A whole run: the rounds of one federated method, on all ranks together.
#pragma once

#include "fl/experiment.hpp"

#include <functional>
#include <optional>
#include <span>

namespace feddip::fl {

struct run_result {
    run_state state;       // complete on rank 0; elsewhere what clients keep, rounds and model only
    bool complete = false; // false: stopped on request
};

// Collective. Starts afresh, or goes on from `resumed` (looked at on rank 0 only). `stop_requested` is asked
// on every rank at the end of each round; all ranks stop there as soon as one says yes. Observers are called
// on rank 0. Throws feddip::error when no client of a round sends a finite update.
run_result run(const experiment& what, transport& ranks, const run_info& info,
               std::span<observer* const> observers, const std::function<bool()>& stop_requested,
               std::optional<run_state> resumed = std::nullopt);

} // namespace feddip::fl
