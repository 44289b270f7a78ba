// How large the weights and the gradient of each layer are: whether a layer has died, and what a
// regularization that acts on whole layers does to them.
#pragma once

#include "base/layout.hpp"
#include "sparse/mask.hpp"

#include <span>
#include <vector>

namespace feddip::fl {

// L2 norms, one per prunable tensor in layout order.
struct layer_norm_report {
    std::vector<double> weights;
    std::vector<double> gradients;       // with respect to all weights, pruned ones too
    std::vector<double> alive_gradients; // with respect to those in the mask
};

// Of a model's `weights`, 0 where `m` says pruned, and of a gradient at them, of a minibatch for example
// (local_trainer::gradient). Each span begins with layout.prunable_size() floats of prunable weights; what
// follows is not looked at.
layer_norm_report measure_layer_norms(const parameter_layout& layout, const sparse::mask& m,
                                      std::span<const float> weights, std::span<const float> gradient);

} // namespace feddip::fl
