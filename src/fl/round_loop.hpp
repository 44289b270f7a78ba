// A whole run: the rounds of one federated method, on all ranks together.
#pragma once

#include "config/config.hpp"
#include "data/dataset.hpp"
#include "data/partition.hpp"
#include "fl/client_store.hpp"
#include "fl/method.hpp"
#include "fl/observer.hpp"
#include "fl/state.hpp"
#include "fl/transport.hpp"

#include <functional>
#include <optional>
#include <span>

namespace feddip::fl {

// What is run; the same on every rank. The referenced objects outlive the run.
struct experiment {
    const config::run_config& config;
    const data::dataset& data;
    const data::partition& shares;
    client_store& clients; // the same files on every rank
};

struct run_result {
    run_state state;       // complete on rank 0; elsewhere rounds and model only
    bool complete = false; // false: stopped on request
};

// Collective. Starts afresh, or goes on from `resumed` (looked at on rank 0 only). `stop_requested` is asked
// on every rank at the end of each round; all ranks stop there as soon as one says yes. Observers are called
// on rank 0. Throws feddip::error when no client of a round sends a finite update.
run_result run(const experiment& what, transport& ranks, const run_info& info,
               std::span<observer* const> observers, const std::function<bool()>& stop_requested,
               std::optional<run_state> resumed = std::nullopt);

} // namespace feddip::fl
