// What a client does in a round without a server: it averages its neighbours' models with its own, trains,
// and keeps the result, for its peers and for itself.
//
// Any rank trains any client, and finds the models it needs in the client_store. What would cross the network
// of a real federation, the messages between clients, is therefore counted and not sent: they are what lies
// in the store, byte by byte. Between ranks only reports travel.
#pragma once

#include "fl/experiment.hpp"
#include "fl/round.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace feddip::fl {

// Of a client's model on its own test share.
struct peer_score {
    double accuracy = not_measured, loss = not_measured, top5_accuracy = not_measured;
};

// Of one client's round, as ranks tell rank 0.
struct peer_report {
    client_record record;
    peer_score on_own_share;
    std::uint64_t message_bytes = 0, position_bytes = 0; // of the model that its peers get
    double mask_change = 0, pruning_error = 0;
};

struct peer_seconds {
    double aggregate = 0, train = 0, evaluate = 0;
    double all() const { return aggregate + train + evaluate; }
};

// Of all clients on this rank.
struct peer_reports {
    std::vector<peer_report> clients; // in slot order
    std::vector<double> densities;    // [clients, prunable tensors] of their masks
    peer_seconds took;
};

class peer_training {
public:
    explicit peer_training(workplace& here) : here_(here) {}

    // Collective: the clients of the round train, those of this rank one after another, and their models lie
    // in the store. A model with NaN or Inf is not kept, which its record says.
    peer_reports run(const ongoing_round& now, const run_state& state);

    // Of the model that a client has now.
    peer_score score_of(int client, const run_state& state);

private:
    struct trained;

    global_model model_of(const run_state& state, int client) const;
    sparse::mask next_mask(const run_state& state, int client, const global_model& last);
    trained train(const ongoing_round& now, const participant& who, const run_state& state,
                  const std::function<void()>& on_batch);
    peer_score evaluated(const global_model& model, int client);

    workplace& here_;
};

} // namespace feddip::fl
