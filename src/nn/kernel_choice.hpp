// Whether a network is worth running through the sparse kernels.
#pragma once

#include "base/layout.hpp"
#include "nn/fusion.hpp"
#include "sparse/kernels/kernels.hpp"
#include "sparse/mask.hpp"

#include <vector>

namespace feddip::nn {

// What is to be computed for one layer with weights. A fully connected layer counts as a 1x1 convolution.
struct layer_work {
    std::size_t layer;
    sparse::kernels::convolution_shape shape;
    double density;
    bool input_gradient;
};

// Of the layers with weights. A null mask means all alive.
std::vector<layer_work> work_of(const std::vector<fused_layer>& layers, data::image_shape input,
                                const parameter_layout& layout, const sparse::mask* mask);

// Estimated seconds of one training step per image, on one core of the machine that the estimate was
// calibrated on. Deterministic: ranks and resumed runs must choose alike, for the paths differ in rounding.
double dense_cost(const layer_work& work);
double sparse_cost(const layer_work& work);

// The rule: through the sparse kernels, all layers, where the sum of their costs is below that of oneDNN's.
bool prefers_sparse(const std::vector<layer_work>& work);

} // namespace feddip::nn
