// Rounds without a server: each client has a model and a mask of its own, and the sampled ones exchange
// theirs with neighbours (method::neighbours).
//
// Any rank trains any client, and finds the models it needs in the client_store. What would cross the network
// of a real federation, the messages between clients, is therefore counted and not sent: they are what lies
// in the store, byte by byte. Between ranks only records travel.
#pragma once

#include "data/dataset.hpp"
#include "data/partition.hpp"
#include "fl/client.hpp"
#include "fl/client_store.hpp"
#include "fl/faults.hpp"
#include "fl/link_model.hpp"
#include "fl/method.hpp"
#include "fl/participation.hpp"
#include "fl/round_loop.hpp"
#include "fl/transport.hpp"
#include "nn/network.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace feddip::fl {

// The mean of models on the intersection of their masks (Dai et al. 2022): of each weight over those models
// in whose mask it is alive, of all else over all models.
class intersection_average {
public:
    explicit intersection_average(const parameter_layout& layout);

    void add(const global_model& model);

    // To be called once, after at least one model. The mean, pruned to `mask`, and how much that took away:
    // ||w - w'||^2 / ||w||^2 over the prunable weights.
    struct result {
        global_model model;
        double pruning_error = 0;
    };
    result pruned_to(sparse::mask mask);

private:
    const parameter_layout* layout_;
    int models_ = 0;
    std::vector<float> sum_;
    std::vector<std::uint32_t> alive_in_; // models, of each prunable weight
};

class peers {
public:
    // Everything lives longer than this.
    peers(const experiment& what, transport& ranks, const method& how, local_trainer& trainer,
          nn::network& network, const fault_model& faults, const link_model& links);

    // Collective, before the first round and after resuming: evaluates the models of all clients.
    void start(const run_state& state);

    // Collective: a round of the clients in `who`. On rank 0 sets all of `record` but what `evaluate` does
    // and the seconds of the whole round, and on all ranks which clients have a new model in `state`.
    // Returns, on rank 0, the bytes handed to MPI on all ranks since the run began. Throws feddip::error when
    // no client trains to a finite model.
    std::uint64_t run(const round_plan& plan, const cast& who, const std::function<void()>& on_batch,
                      run_state& state, round_record& record);

    // On rank 0: means over all clients, each with the model it has now on its own test share.
    void evaluate(round_record& record) const;

private:
    struct score {
        double accuracy = not_measured, loss = not_measured, top5_accuracy = not_measured;
    };
    // Of one client's round, as ranks tell rank 0.
    struct report {
        client_record record;
        score on_own_share;
        std::uint64_t message_bytes = 0, position_bytes = 0; // of the model that its peers get
        double mask_change = 0, pruning_error = 0;
    };
    struct trained;

    global_model model_of(const run_state& state, int client) const;
    sparse::mask next_mask(const run_state& state, int client, const global_model& last);
    trained train(const round_plan& plan, const cast& who, int client, const run_state& state,
                  const std::function<void()>& on_batch);
    score evaluated(const global_model& model, int client);
    std::vector<int> senders_to(int client, const cast& who, int round) const;
    std::vector<std::byte> packed(std::span<const trained> mine) const;
    std::uint64_t take_reports(std::span<const std::vector<std::byte>> gathered, const cast& who, int round,
                               run_state& state, round_record& record);
    void describe_masks(std::span<const report> reports, std::span<const double> densities, const cast& who,
                        round_record& record) const;
    void charge(std::span<const report> reports, const cast& who, int round, round_record& record) const;
    std::span<const std::uint32_t> images_of(int client) const;

    const experiment what_;
    transport& ranks_;
    const method& method_;
    local_trainer& trainer_;
    nn::network& network_;
    const fault_model& faults_;
    const link_model& links_;
    std::vector<score> scores_; // [clients], on rank 0
};

} // namespace feddip::fl
