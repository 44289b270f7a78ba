// What the fast kernels are tested against: direct loops over plain NCHW tensors and dense weights, summed in
// double.
#pragma once

#include "sparse/kernels/group_norm.hpp"
#include "sparse/kernels/kernels.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace feddip::sparse::kernels::reference {

// weights[i] where bit first_bit + i of the mask is alive, else 0.
std::vector<float> masked(std::span<const float> weights, const mask& m, std::size_t first_bit);

// Tensors are [samples][channels][height][width]; `bias` may be empty.
std::vector<float> convolve(const convolution_shape& s, std::span<const float> weights,
                            std::span<const float> bias, std::span<const float> input, int samples);
std::vector<float> convolve_backward_input(const convolution_shape& s, std::span<const float> weights,
                                           std::span<const float> output_gradient, int samples);
// Of all weights, whatever the mask.
std::vector<float> convolve_backward_weights(const convolution_shape& s, std::span<const float> input,
                                             std::span<const float> output_gradient, int samples);
// Sums over samples and pixels.
std::vector<float> sum_channels(std::span<const float> tensor, int samples, int channels, int pixels);

// Group normalization (group_norm.hpp) of [samples][channels][pixels], then max(0, .) with `rectify`, and its
// gradients for the gradient `g` of the output.
struct normalized_groups {
    std::vector<float> output, input_gradient, scale_gradient, shift_gradient;
};
normalized_groups normalize_groups(const group_shape& s, std::span<const float> scale,
                                   std::span<const float> shift, std::span<const float> x,
                                   std::span<const float> g, bool rectify);

} // namespace feddip::sparse::kernels::reference
