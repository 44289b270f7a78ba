// The layers between the sparse ones, on activations in blocks of 16 samples (see kernels.hpp for the
// layout), so that a network stays in that layout from its input to its loss. `blocks` counts blocks,
// `samples` true samples; `planes` = blocks * channels; `pixels` = height * width. No call in this header
// allocates.
#pragma once

#include "sparse/kernels/kernels.hpp"

#include <cstddef>

namespace feddip::sparse::kernels {

// nchw[samples][channels * pixels] to [blocks_of(samples)][channels * pixels][16] and back. Lanes past the
// last sample become 0. `size` = channels * pixels. `nchw` needs no alignment.
void to_blocks(const float* nchw, float* blocked, int samples, int size, const execution& how = {});
void from_blocks(const float* blocked, float* nchw, int samples, int size, const execution& how = {});

// 2x2 maximum with stride 2; an odd last row or column is left out. output[planes][height / 2][width /
// 2][16].
void max_pool(const float* input, float* output, int planes, int height, int width,
              const execution& how = {});
// The gradient goes to the first maximum of each window, in reading order. With `through_relu`, input was the
// output of a ReLU and input_gradient is that of the ReLU's input. `input_gradient` may be `input`.
void max_pool_backward(const float* input, const float* output, const float* output_gradient,
                       float* input_gradient, int planes, int height, int width, bool through_relu = false,
                       const execution& how = {});

// Mean over all pixels: output[planes][16].
void average_pool(const float* input, float* output, int planes, int pixels, const execution& how = {});
void average_pool_backward(const float* output_gradient, float* input_gradient, int planes, int pixels,
                           const execution& how = {});

// Batch normalization per channel over the true samples and pixels (Ioffe and Szegedy 2015).
struct normalization_shape {
    int samples;
    int channels;
    int pixels;
};

// Arrays of one float per channel.
struct normalization_parameters {
    const float* scale;
    const float* shift;
    float* running_mean;     // updated by training, r <- (1 - momentum) r + momentum value
    float* running_variance; // with the unbiased variance, as in PyTorch
};
struct normalization_memory {
    float* mean;
    float* inverse_deviation; // 1 / sqrt(variance + epsilon)
};

inline constexpr float normalization_momentum = 0.1F;
inline constexpr float normalization_epsilon = 1e-5F;

// output = scale (input - mean) / deviation + shift, plus `residual` unless null, then max(0, .) with
// `rectify`. `output` may be `residual`, not `input`: backward needs it.
void normalize_training(const normalization_shape& shape, const normalization_parameters& parameters,
                        const normalization_memory& memory, const float* input, const float* residual,
                        float* output, bool rectify, const execution& how = {});
// The same with the running statistics. `output` may be `input`.
void normalize_inference(const normalization_shape& shape, const normalization_parameters& parameters,
                         const float* input, const float* residual, float* output, bool rectify,
                         const execution& how = {});
// Gradients of normalize_training. `output` is read where `rectify` is set, and may be null elsewhere.
// residual_gradient (null where there was no residual) may be output_gradient; input_gradient may not be
// either.
void normalize_backward(const normalization_shape& shape, const float* scale,
                        const normalization_memory& memory, const float* input, const float* output,
                        const float* output_gradient, float* input_gradient, float* residual_gradient,
                        float* scale_gradient, float* shift_gradient, bool rectify,
                        const execution& how = {});

} // namespace feddip::sparse::kernels
