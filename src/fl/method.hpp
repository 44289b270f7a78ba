// What distinguishes one federated method from another. A new method is one file in methods/ and one line in
// registry.hpp, registry.cpp and CMakeLists.txt each.
#pragma once

#include "base/error.hpp"
#include "base/layout.hpp"
#include "base/random.hpp"
#include "config/config.hpp"
#include "fl/state.hpp"
#include "nn/sgd.hpp"
#include "sparse/mask.hpp"

#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace feddip::fl {

// Which weights a client sends; biases, norms and running statistics always go with them.
enum class upload_content {
    // Those in the mask, in mask order. Clients train only these: where the server reconfigures from nothing
    // else, that changes no bit of w'_{t+1}.
    in_mask,
    all_weights,
    // The 1 - target_sparsity of its own weights with the largest magnitude, wherever they are, and their
    // positions. What a client does not send counts as zero in the average.
    largest,
    // Those in a mask of its own that method::own_mask chooses after training, and their positions.
    own_mask,
};

// What happens in round t; the same on every rank.
struct round_plan {
    int round = 0; // t = 0 .. T - 1
    nn::sgd_settings sgd{};
    // mu: the local loss has the term (mu/2) ||w - w'_t||^2 besides.
    float proximal = 0;
    double target_sparsity = 0;
    // The server chooses a new mask from the average.
    bool reconfigures = false;
    upload_content upload = upload_content::in_mask;
    // Of the weights sent; bf16 is that of their difference to the model that the client was sent.
    config::value_kind values = config::value_kind::f32;
    // Where there is no server: clients prune their masks further, by how much their weights allow.
    bool prunes_further = false;
    // What the server does not get of a client's weights, because it was not sent or was rounded away, the
    // client keeps, and adds the next time it is sampled in such a round.
    bool keeps_residual = false;
    // With upload = own_mask: the average of a weight is over those clients that sent it.
    bool averages_senders = false;
    // With upload = own_mask: clients change their masks in training too, after each epoch but the last or
    // halfway through a single one, as method::mask_in_training says.
    bool readjusts_in_training = false;
    // With upload = in_mask: clients send besides, for all prunable weights, the mean over their minibatches
    // of the squared gradient.
    bool squared_gradients = false;
    // With upload = in_mask, of a client that holds a part of the model: it trains all weights, those outside
    // the part from 0, and keeps what becomes of these.
    bool keeps_outside = false;
    // Of the weights in the new mask, those that were not in the old one; 0: as magnitudes have it.
    double regrown_share = 0;

    bool trains_all_weights() const {
        return upload == upload_content::all_weights || upload == upload_content::largest || keeps_outside;
    }
};

// What a method may look at before the first round: one client's data, client 0's.
class first_client;
enum class first_look {
    none,
    gradient,  // of one minibatch, at weights that the client draws; it sends the mask
    saliency,  // the same at w_0, which the client receives
    training,  // from w_0; the client receives w_0 and sends the mask, and the weights in it
    densities, // from w_0 too; the client sends the density of each layer, and the server draws the mask
};

// When peers prune their masks further (settling.hpp).
struct pruning_rhythm {
    double threshold = 0; // change of a model up to which it is settled; 0: they never do
    double pace = 1;      // gaps become so many times shorter
};

// A client in the middle of its local training.
struct client_in_training {
    const parameter_layout& layout;
    std::span<const float> weights; // layout.size() floats, 0 outside the mask
    const sparse::mask& mask;
    double done;           // the share of its minibatches, below 1
    random_stream& random; // of this client's training in this round
};

// A client after its local training.
struct trained_client {
    const parameter_layout& layout;
    std::span<const float> weights; // layout.size() floats
    const sparse::mask& mask;       // in which it trained, in the end
    // d(loss)/d(weights) of one of its minibatches, for all trainable weights, pruned ones too.
    std::function<std::vector<float>()> gradient;
};

// What the server knows of the prunable weights when it reconfigures, each layout.prunable_size() floats.
struct averages {
    const parameter_layout& layout;
    std::span<const float> weights;
    std::span<const float> squared_gradients = {}; // where the plan has them sent
    std::span<const float> senders = {};           // with plan.averages_senders: their share of the samples
};

// Only plan() is needed; what the others do by default is FedAvg.
class method {
public:
    virtual ~method() = default;

    virtual round_plan plan(int round) const = 0;

    // The same where the clients' loss gave an alarm `since` = 1 .. config::answer_rounds_of rounds before.
    virtual round_plan plan_after_alarm(int round, int since) const {
        (void)since;
        return plan(round);
    }

    // The mask of w'_0, chosen by the server before the first round, without data.
    virtual sparse::mask start_mask(const parameter_layout& layout) const {
        return {layout.prunable_size(), true};
    }

    // Whether a client's data decide on the mask of w'_0, and then that mask, of sparsity
    // plan(0).target_sparsity. `state` is w_0 (layout.size() floats) and may be changed by training.
    virtual first_look looks_first() const { return first_look::none; }
    virtual sparse::mask look(first_client& client, std::span<float> state) const {
        (void)client, (void)state;
        throw error("can't choose a start mask", "method", "it looks at no client's data");
    }

    // Where there is no server and each client has a model and a mask of its own (peers.cpp): of how many
    // others a client gets the models in a round; 0: there is one. Then personal_mask is the one it begins
    // with, own_mask the one it chooses after training, and the run's model stays w_0, where all begin.
    virtual int neighbours() const { return 0; }
    virtual sparse::mask personal_mask(const parameter_layout& layout, int client) const {
        (void)client;
        return start_mask(layout);
    }
    // Then also: of how many of these a client waits for the model of the same round, at most, and when
    // further pruning is due.
    virtual int waits() const { return 0; }
    virtual pruning_rhythm further_pruning() const { return {}; }

    // The mask through which a client's forward pass sees its weights, where it isn't the model's.
    virtual std::optional<sparse::mask> client_mask(const round_plan& plan, const parameter_layout& layout,
                                                    int client) const {
        (void)plan, (void)layout, (void)client;
        return std::nullopt;
    }

    // With plan.readjusts_in_training: the mask in which the client goes on. Weights that come into it are 0.
    virtual sparse::mask mask_in_training(const client_in_training& client) const { return client.mask; }

    // With upload = own_mask: what the client sends.
    virtual sparse::mask own_mask(const round_plan& plan, const trained_client& client) const {
        (void)plan;
        return client.mask;
    }

    // Called on rounds that reconfigure: the mask from here on.
    virtual sparse::mask reconfigure(const round_plan& plan, const averages& received,
                                     const sparse::mask& current) const {
        (void)plan, (void)received;
        return current;
    }

    // Whether nearly all weights of a new mask were alive in the one before; for `feddip check`.
    virtual bool nests_masks() const { return false; }

    // How many weights are alive in the masks that reconfigure and own_mask choose.
    virtual std::size_t alive(const round_plan& plan, const parameter_layout& layout) const {
        const auto size = layout.prunable_size();
        return size -
               static_cast<std::size_t>(std::llround(plan.target_sparsity * static_cast<double>(size)));
    }
};

// The method that the config names. Throws input_error for an unknown name, or settings it can't honour.
std::unique_ptr<method> make_method(const config::run_config& config);
std::vector<std::string> method_names();

} // namespace feddip::fl
