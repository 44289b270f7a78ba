// What is run, and what a rank works with.
#pragma once

#include "config/config.hpp"
#include "data/dataset.hpp"
#include "data/drift.hpp"
#include "data/partition.hpp"
#include "fl/client_store.hpp"
#include "fl/local_trainer.hpp"
#include "fl/method.hpp"
#include "fl/observer.hpp"
#include "fl/privacy_guarantee.hpp"
#include "fl/transport.hpp"
#include "nn/network.hpp"

#include <memory>
#include <optional>
#include <span>

namespace feddip::fl {

// The same on every rank. The referenced objects outlive the run.
struct experiment {
    const config::run_config& config;
    const data::dataset& data;
    const data::partition& shares;
    client_store& clients; // the same files on every rank
    // Of protected clients (state.hpp), for tests; else a fresh one.
    std::optional<privacy::secret> key = std::nullopt;
};

// One rank's part in it; neither copied nor moved, for its members refer to one another.
struct workplace {
    workplace(const experiment& what_is_run, transport& all_ranks, std::span<observer* const> all_observers);
    workplace(const workplace&) = delete;
    workplace& operator=(const workplace&) = delete;

    experiment what;
    transport& ranks;
    std::span<observer* const> observers;
    std::unique_ptr<method> how;
    std::optional<privacy_guarantee> guarantee; // where clients are protected
    nn::network network;
    const parameter_layout& layout;
    data::drift drift;
    local_trainer trainer;

    // That the run has; fewer than configured where a budget ends it before.
    int rounds() const { return guarantee ? guarantee->rounds() : what.config.federation.rounds; }
    bool at_server() const { return ranks.rank() == 0; }
    std::span<const std::uint32_t> images_of(int client) const {
        return what.shares.train[static_cast<std::size_t>(client)];
    }
};

} // namespace feddip::fl
