// What the fast kernels are tested against: direct loops over plain NCHW tensors and dense weights, summed in
// double.
#pragma once

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

} // namespace feddip::sparse::kernels::reference
