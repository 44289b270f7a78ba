// What clients keep for themselves between the rounds in which they are sampled: what the server
// did not get of their weights (round_plan::keeps_residual); where there is no server, their models. A client
// trains now on this rank and now on that, so the store is one that all ranks see.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace feddip::fl {

// Versions are kept by the round t that wrote them, so that a run resumed from an older checkpoint finds what
// its clients held then. Of models the one before stays when a new one is saved: within a round others may
// still ask for it.
class client_store {
public:
    virtual ~client_store() = default;
    // What save(client, round, ...) was given. Throws feddip::error when it is not there or damaged.
    virtual std::vector<float> load(int client, int round) = 0;
    virtual void save(int client, int round, std::span<const float> residual) = 0;
    // The same for a model, as a message (fl/message.hpp).
    virtual std::vector<std::byte> load_model(int client, int round) = 0;
    virtual void save_model(int client, int round, std::span<const std::byte> message) = 0;
};

// For one process, without resuming from files.
class memory_client_store : public client_store {
public:
    std::vector<float> load(int client, int round) override { return residuals_.at({client, round}); }
    void save(int client, int round, std::span<const float> residual) override {
        residuals_[{client, round}].assign(residual.begin(), residual.end());
    }
    std::vector<std::byte> load_model(int client, int round) override { return models_.at({client, round}); }
    void save_model(int client, int round, std::span<const std::byte> message) override {
        models_[{client, round}].assign(message.begin(), message.end());
    }

private:
    std::map<std::pair<int, int>, std::vector<float>> residuals_;
    std::map<std::pair<int, int>, std::vector<std::byte>> models_;
};

} // namespace feddip::fl
