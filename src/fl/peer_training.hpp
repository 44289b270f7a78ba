// What a client does in a round without a server: it averages its neighbours' models with its own, trains,
// and keeps the result, for its peers and for itself.
//
// Any rank trains any client, and finds the models it needs in the client_store. What would cross the network
// of a real federation, the messages between clients, is therefore counted and not sent: they are what lies
// in the store, byte by byte. Between ranks only reports travel.
#pragma once

#include "fl/experiment.hpp"
#include "fl/round.hpp"
#include "fl/settling.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace feddip::fl {

// Of a client's model on its own test share.
struct peer_score {
    double accuracy = not_measured, loss = not_measured, top5_accuracy = not_measured;
};

struct model_bytes {
    std::uint64_t message = 0;
    std::uint64_t positions = 0; // of these
};

// Of one client's round, as ranks tell rank 0.
struct peer_report {
    client_record record;
    peer_score on_own_share;
    model_bytes before, after; // what its peers get: those that wait for it, the model after its training
    double mask_change = 0, pruning_error = 0;
};

struct peer_seconds {
    double aggregate = 0, train = 0, evaluate = 0;
    double all() const { return aggregate + train + evaluate; }
};

// Of a rank's clients, or of all ranks' (gathering.hpp).
struct peer_reports {
    std::vector<peer_report> clients; // in slot order
    std::vector<double> densities;    // [clients, prunable tensors] of their masks
    peer_seconds took;                // of the slowest rank

    void append_to(std::vector<std::byte>& message) const;
    void join(std::span<const std::byte> message);
};

class peer_training {
public:
    // `settled` says in which rounds clients prune further, and outlives this object.
    peer_training(workplace& here, const settling& settled) : here_(here), settled_(settled) {}

    // Collective: the clients of the round train, level after level (neighbourhood.hpp), those of this rank
    // one after another, and their models lie in the store. A model with NaN or Inf is not kept, which its
    // record says; who waits for it gets the one before.
    peer_reports run(const ongoing_round& now, const run_state& state);

    // Of the model that a client has now.
    peer_score score_of(int client, const run_state& state);

private:
    struct trained;

    global_model first_model_of(const run_state& state, int client) const;
    global_model model_of(const run_state& state, int client) const;
    global_model received(const ongoing_round& now, const participant& p, int peer,
                          const run_state& state) const;
    sparse::mask next_mask(const ongoing_round& now, const run_state& state, int client,
                           const global_model& last);
    void announce(std::span<const int> clients);
    trained train(const ongoing_round& now, const participant& p, const run_state& state,
                  const std::function<void()>& on_batch);
    peer_score evaluated(const global_model& model, int client);

    workplace& here_;
    const settling& settled_;
    std::vector<int> fresh_; // clients whose new model all ranks find in the store, ascending
};

} // namespace feddip::fl
