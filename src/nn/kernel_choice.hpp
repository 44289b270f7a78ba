// Whether a network is worth running through the sparse kernels.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "nn/fusion.hpp"
#include "nn/network.hpp"
#include "sparse/kernels/kernels.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
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

// Estimated nanoseconds per image of a training step in the layer, normalization after it excluded, for that
// costs the same on both paths. A fixed rule instead of a measurement at run time: all ranks and resumed runs
// must choose alike, for the paths round differently.
//
//   dense   f p / r + a    r = 200, 75 where channels don't fill vectors of 16, 92 fully connected;
//                          480, 90 and 225 with bf16 operands
//   sparse  d f p / r + a + b
//                          r = 121, 45 fully connected
//     a = 0.298 p (inputs + outputs)                         reading and writing activations
//     b = 0.0747 p outputs max(1, input channels / 32)       carrying the outputs' sums from slab to slab
//
// f: floating-point operations of a dense pass, d: density, p: passes, 3 or 2 without an input gradient.
// The constants are a least-squares fit to 45 steps with update, batch 128, AVX-512, one core of a Sapphire
// Rapids Xeon, in ms of CPU (first the density of the whole network, dense is oneDNN):
//
//                      0.02   0.05    0.1    0.2    0.3    0.5    0.7      1   dense
//   LeNet-5, ERK       1.16   1.29   1.61   1.99   2.36   2.98   3.47   4.18    4.54
//   LeNet-5, uniform   1.08   1.18   1.29   1.60   1.97   2.55   3.20   4.17    4.54
//   AlexNet, ERK       46.1   72.8    110    186    259    363    503    643     325
//   AlexNet, uniform   44.0   64.8   99.6    165    220    327                   325
//   ResNet-18, ERK      663    931   1376   2314   2790   3306                  2566
//   ResNet-18, uniform  654    739    951   1266   1605   2338                  2566
//
// It gives them within 10 %, AlexNet's dense steps in the middle of the 319 to 388 ms that they took on other
// days. The rates with bf16 operands are fitted to dense steps on an Emerald Rapids Xeon, which there
// take 1.0, 0.42 and 0.48 times as long for the three models as f32 ones do; the sparse kernels compute in
// f32. tests/bench/README-compute.md says how often the choice was wrong.
double dense_cost(const layer_work& work, config::precision_kind precision);
double sparse_cost(const layer_work& work);

// Of a step through the sparse kernels that gives the gradients of all weights: those cost a pass of oneDNN's
// and copies into its layout, a, or a pass of the sparse kernels with all weights alive.
double all_gradients_cost(const layer_work& work, config::precision_kind precision);
// Which of both. A fully connected layer counts as a 1x1 convolution.
bool has_dense_gradients(const sparse::kernels::convolution_shape& shape);

struct step_estimate {
    double dense;
    double sparse;
};
// `scope`: of the gradients beside a mask. With all weights alive either is the same.
step_estimate estimate(const std::vector<layer_work>& work, gradient_scope scope,
                       config::precision_kind precision);

// All layers through the sparse kernels, or all through oneDNN.
inline bool prefers_sparse(const step_estimate& cost) {
    return cost.sparse < cost.dense;
}

// The rule: the first layer that the sparse kernels compute, as they do all after it; `layers`, the number of
// layers, where oneDNN computes all. Early convolutions have few weights and many pixels, and stay dense for
// longest. That oneDNN begins and the sparse kernels go on, from some convolution, has to be estimated to
// save a tenth beside the better of both paths, for estimates are no better than that. What this convolution
// reads changes its layout, forward and backward: 0.298 * 2 * 2 inputs.
std::size_t first_sparse_layer(const std::vector<layer_work>& work, std::size_t layers, gradient_scope scope,
                               config::precision_kind precision);

// Where all layers are as dense as each other, the rule has the sparse kernels for masks of a density below
// this. `work` may be of any density.
double switching_density(std::vector<layer_work> work, config::precision_kind precision);

// Allocated for each weight that sparse kernels are compiled for, at most, the compiling included: the
// weight, its gradient and position, and where the kernels find them.
inline constexpr std::size_t bytes_per_compiled_weight = 64;

// What sparse kernels add to the memory of a network.
struct kernel_memory {
    double bytes = 0;
    double density = 0; // of the densest mask that they are compiled for
};
// For masks of up to `densest_mask`, all layers alike, and for none.
kernel_memory memory_of_sparse_kernels(const network_options& options, double densest_mask);

} // namespace feddip::nn
