// Group normalization (Wu and He 2018) on activations in blocks of 16 samples (kernels.hpp): each sample by
// the mean and variance of its own channels, taken together in `groups` equal groups of neighbours, over
// their pixels. Unlike the layers in layers.hpp, the backward pass allocates: two sums for each channel of a
// group.
#pragma once

#include "sparse/kernels/layers.hpp"

namespace feddip::sparse::kernels {

struct group_shape {
    int samples;
    int channels;
    int pixels;
    int groups; // divides the channels
};

// Floats in each array of the normalization_memory below: one per group and lane.
std::size_t group_memory_size(const group_shape& shape);

// output = scale (input - mean) / deviation + shift, then max(0, .) with `rectify`. Scale and shift have one
// float per channel. `output` may be `input` where there is no backward pass.
void normalize_groups(const group_shape& shape, const float* scale, const float* shift,
                      const normalization_memory& memory, const float* input, float* output, bool rectify,
                      const execution& how = {});
// Gradients of normalize_groups, 0 past the last sample, where output_gradient must be 0 too. `output` is
// read where `rectify` is set. input_gradient may not be output_gradient.
void normalize_groups_backward(const group_shape& shape, const float* scale,
                               const normalization_memory& memory, const float* input, const float* output,
                               const float* output_gradient, float* input_gradient, float* scale_gradient,
                               float* shift_gradient, bool rectify, const execution& how = {});

} // namespace feddip::sparse::kernels
