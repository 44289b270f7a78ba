// The inner loops of layers.hpp, once per instruction set. layer_body.hpp holds their source.
#pragma once

#include "sparse/kernels/kernels.hpp"

#include <cstddef>

namespace feddip::sparse::kernels {

// One channel of a blocked tensor: block b starts at first + b * stride floats.
struct channel_blocks {
    int blocks;
    int pixels;
    std::ptrdiff_t stride;
    int last_lanes; // true samples of the last block
};

// The gradient that enters a normalization: output_gradient, where the output is positive if `output` is not
// null.
struct rectified_gradient {
    const float* gradient;
    const float* output;
};

struct gradient_moments {
    double sum;      // of g
    double weighted; // of g (x - mean)
};

struct layer_table {
    // Of one block: [valid][size] to [size][16] and back.
    void (*to_block)(const float* rows, float* block, int valid, int size);
    void (*from_block)(const float* block, float* rows, int valid, int size);

    // Of one plane.
    void (*max_pool)(const float* input, float* output, int height, int width);
    void (*max_pool_backward)(const float* input, const float* output, const float* output_gradient,
                              float* input_gradient, int height, int width, bool through_relu);
    void (*average_pool)(const float* input, float* output, int pixels);
    void (*average_pool_backward)(const float* output_gradient, float* input_gradient, int pixels);

    // Of one channel, over true samples.
    double (*sum)(const channel_blocks& at, const float* x);
    double (*squared_distance)(const channel_blocks& at, const float* x, float mean);
    gradient_moments (*moments)(const channel_blocks& at, const float* x, const rectified_gradient& g,
                                float mean);
    // y = x * scale + shift (+ residual), then max(0, .) with `rectify`
    void (*affine)(const channel_blocks& at, const float* x, const float* residual, float* y, float scale,
                   float shift, bool rectify);
    // dx = a g + b (x - mean) + c, 0 past the last sample; residual_gradient = g unless null
    void (*affine_backward)(const channel_blocks& at, const float* x, const rectified_gradient& g, float mean,
                            float a, float b, float c, float* dx, float* residual_gradient);

    // Of one channel of one block, lane by lane: arrays of 16. Sums are added to what is there.
    void (*lane_sums)(const float* x, int pixels, double* sums);
    void (*lane_squared_distances)(const float* x, int pixels, const float* mean, double* sums);
    // of g, and of g (x - mean)
    void (*lane_moments)(const float* x, const rectified_gradient& g, int pixels, const float* mean,
                         double* sums, double* weighted);
    // y = x * scale + shift, then max(0, .) with `rectify`
    void (*lane_affine)(const float* x, float* y, int pixels, const float* scale, const float* shift,
                        bool rectify);
    // dx = a g + b (x - mean) + c
    void (*lane_affine_backward)(const float* x, const rectified_gradient& g, int pixels, const float* mean,
                                 const float* a, const float* b, const float* c, float* dx);
};

const layer_table& plain_layers();
const layer_table& avx2_layers();
const layer_table& avx512_layers();
const layer_table& layers_for(instruction_set set);

} // namespace feddip::sparse::kernels
