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

// What happens in round t; the same on every rank.
struct round_plan {
    int round = 0; // t = 0 .. T - 1
    nn::sgd_settings sgd{};
    double target_sparsity = 0;
    // The server chooses a new mask from the average.
    bool reconfigures = false;
    // Weights outside the mask matter to the server: clients train all weights and send all.
    // Otherwise they train and send those in the mask, which changes no bit of w'_{t+1} (spec, section 4).
    bool trains_all_weights = false;
};

class method {
public:
    virtual ~method() = default;

    virtual round_plan plan(int round) const = 0;

    // The mask of w'_0, chosen by the server before the first round.
    virtual sparse::mask start_mask(const parameter_layout& layout) const = 0;

    // The mask through which a client's forward pass sees its weights, where it isn't the model's.
    virtual std::optional<sparse::mask> client_mask(const round_plan& plan, const parameter_layout& layout,
                                                    int client) const {
        (void)plan, (void)layout, (void)client;
        return std::nullopt;
    }

    // Called on rounds that reconfigure, with the averaged prunable weights: the mask from here on.
    virtual sparse::mask reconfigure(const round_plan& plan, std::span<const float> average,
                                     const sparse::mask& current) const = 0;
};

// The method that the config names. Throws input_error for an unknown name, or settings it can't honour.
std::unique_ptr<method> make_method(const config::run_config& config);
std::vector<std::string> method_names();

} // namespace feddip::fl
