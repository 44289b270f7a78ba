// What distinguishes one federated method from another. A new method is one file in methods/ and one line in
// methods/registry.cpp.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "fl/state.hpp"
#include "nn/sgd.hpp"
#include "sparse/mask.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace feddip::fl {

// Which weights a client sends; biases, norms and running statistics always go with them.
enum class upload_content {
    // Those in the mask, in mask order. Clients train only these: where the server reconfigures from nothing
    // else,
    // that changes no bit of w'_{t+1} (spec, section 4).
    in_mask,
    all_weights,
    // The 1 - target_sparsity of its own weights with the largest magnitude, wherever they are, and their
    // positions.
    // What a client does not send counts as zero in the average.
    largest,
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
    // What the server does not get of a client's weights, because it was not sent or was rounded away, the
    // client keeps, and adds the next time it is sampled in such a round.
    bool keeps_residual = false;

    bool trains_all_weights() const { return upload != upload_content::in_mask; }
};

class method {
public:
    virtual ~method() = default;

    virtual round_plan plan(int round) const = 0;

    // The mask of w'_0, chosen by the server before the first round.
    virtual sparse::mask start_mask(const parameter_layout& layout) const {
        return {layout.prunable_size(), true};
    }

    // The mask through which a client's forward pass sees its weights, where it isn't the model's.
    virtual std::optional<sparse::mask> client_mask(const round_plan& plan, const parameter_layout& layout,
                                                    int client) const {
        (void)plan, (void)layout, (void)client;
        return std::nullopt;
    }

    // Called on rounds that reconfigure, with the averaged prunable weights: the mask from here on.
    virtual sparse::mask reconfigure(const round_plan& plan, std::span<const float> average,
                                     const sparse::mask& current) const {
        (void)plan, (void)average;
        return current;
    }
};

// The method that the config names. Throws input_error for an unknown name, or settings it can't honour.
std::unique_ptr<method> make_method(const config::run_config& config);
std::vector<std::string> method_names();

} // namespace feddip::fl
