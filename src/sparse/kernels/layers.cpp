#include "sparse/kernels/layers.hpp"

#include "sparse/kernels/internal.hpp"
#include "sparse/kernels/layer_table.hpp"
#include "sparse/kernels/parallel.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>

namespace feddip::sparse::kernels {

int this_thread() {
    return omp_get_thread_num();
}

namespace {

channel_blocks blocks_of_channel(const normalization_shape& s) {
    const int blocks = blocks_of(s.samples);
    return {.blocks = blocks,
            .pixels = s.pixels,
            .stride = std::ptrdiff_t{lanes} * s.channels * s.pixels,
            .last_lanes = s.samples - (blocks - 1) * lanes};
}

} // namespace

void channel_sums::clear(int first, int last) const {
    if (sums != nullptr) {
        std::fill(sums + first, sums + last, 0.0F);
    }
}

void channel_sums::add(const kernel_table& kernels, const float* block, int first, int last) const {
    const std::ptrdiff_t size = std::ptrdiff_t{lanes} * pixels;
    for (int channel = first; sums != nullptr && channel < last; ++channel) {
        sums[channel] += kernels.sum(block + channel * size, size);
    }
}

void to_blocks(const float* nchw, float* blocked, int samples, int size, const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    const std::ptrdiff_t stride = std::ptrdiff_t{lanes} * size;
    for_each(blocks_of(samples), how, [&](int block) {
        kernels.to_block(nchw + block * stride, blocked + block * stride,
                         std::min(lanes, samples - block * lanes), size);
    });
}

void from_blocks(const float* blocked, float* nchw, int samples, int size, const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    const std::ptrdiff_t stride = std::ptrdiff_t{lanes} * size;
    for_each(blocks_of(samples), how, [&](int block) {
        kernels.from_block(blocked + block * stride, nchw + block * stride,
                           std::min(lanes, samples - block * lanes), size);
    });
}

void max_pool(const float* input, float* output, int planes, int height, int width, const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    const std::ptrdiff_t from = std::ptrdiff_t{lanes} * height * width;
    const std::ptrdiff_t to = std::ptrdiff_t{lanes} * (height / 2) * (width / 2);
    for_each(planes, how,
             [&](int plane) { kernels.max_pool(input + plane * from, output + plane * to, height, width); });
}

void max_pool_backward(const float* input, const float* output, const float* output_gradient,
                       float* input_gradient, int planes, int height, int width, bool through_relu,
                       const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    const std::ptrdiff_t from = std::ptrdiff_t{lanes} * height * width;
    const std::ptrdiff_t to = std::ptrdiff_t{lanes} * (height / 2) * (width / 2);
    for_each(planes, how, [&](int plane) {
        kernels.max_pool_backward(input + plane * from, output + plane * to, output_gradient + plane * to,
                                  input_gradient + plane * from, height, width, through_relu);
    });
}

void average_pool(const float* input, float* output, int planes, int pixels, const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    for_each(planes, how, [&](int plane) {
        kernels.average_pool(input + std::ptrdiff_t{lanes} * plane * pixels,
                             output + std::ptrdiff_t{lanes} * plane, pixels);
    });
}

void average_pool_backward(const float* output_gradient, float* input_gradient, int planes, int pixels,
                           const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    for_each(planes, how, [&](int plane) {
        kernels.average_pool_backward(output_gradient + std::ptrdiff_t{lanes} * plane,
                                      input_gradient + std::ptrdiff_t{lanes} * plane * pixels, pixels);
    });
}

void normalize_training(const normalization_shape& shape, const normalization_parameters& parameters,
                        const normalization_memory& memory, const float* input, const float* residual,
                        float* output, bool rectify, const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    const channel_blocks at = blocks_of_channel(shape);
    const double count = double{1} * shape.samples * shape.pixels;
    for_each(shape.channels, how, [&](int channel) {
        const std::ptrdiff_t first = std::ptrdiff_t{lanes} * channel * shape.pixels;
        const float* x = input + first;
        const auto mean = static_cast<float>(kernels.sum(at, x) / count);
        const double squares = kernels.squared_distance(at, x, mean);
        const auto inverse =
            static_cast<float>(1.0 / std::sqrt(squares / count + double{normalization_epsilon}));
        memory.mean[channel] = mean;
        memory.inverse_deviation[channel] = inverse;

        const auto update = [](float& running, double value) {
            running = static_cast<float>((1.0 - double{normalization_momentum}) * double{running} +
                                         double{normalization_momentum} * value);
        };
        update(parameters.running_mean[channel], double{mean});
        update(parameters.running_variance[channel], squares / std::max(1.0, count - 1.0));

        const float scale = parameters.scale[channel] * inverse;
        kernels.affine(at, x, residual != nullptr ? residual + first : nullptr, output + first, scale,
                       parameters.shift[channel] - mean * scale, rectify);
    });
}

void normalize_inference(const normalization_shape& shape, const normalization_parameters& parameters,
                         const float* input, const float* residual, float* output, bool rectify,
                         const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    const channel_blocks at = blocks_of_channel(shape);
    for_each(shape.channels, how, [&](int channel) {
        const std::ptrdiff_t first = std::ptrdiff_t{lanes} * channel * shape.pixels;
        const float scale = parameters.scale[channel] /
                            std::sqrt(parameters.running_variance[channel] + normalization_epsilon);
        kernels.affine(at, input + first, residual != nullptr ? residual + first : nullptr, output + first,
                       scale, parameters.shift[channel] - parameters.running_mean[channel] * scale, rectify);
    });
}

void normalize_backward(const normalization_shape& shape, const float* scale,
                        const normalization_memory& memory, const float* input, const float* output,
                        const float* output_gradient, float* input_gradient, float* residual_gradient,
                        float* scale_gradient, float* shift_gradient, bool rectify, const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    const channel_blocks at = blocks_of_channel(shape);
    const double count = double{1} * shape.samples * shape.pixels;
    for_each(shape.channels, how, [&](int channel) {
        const std::ptrdiff_t first = std::ptrdiff_t{lanes} * channel * shape.pixels;
        const float* x = input + first;
        const rectified_gradient g{output_gradient + first, rectify ? output + first : nullptr};
        const float mean = memory.mean[channel];
        const double inverse = double{memory.inverse_deviation[channel]};
        const gradient_moments m = kernels.moments(at, x, g, mean);
        scale_gradient[channel] = static_cast<float>(m.weighted * inverse);
        shift_gradient[channel] = static_cast<float>(m.sum);

        // dx = scale / deviation (g - mean(g) - xhat mean(g xhat)), xhat = (x - mean) / deviation
        const double a = double{scale[channel]} * inverse;
        const double b = -a * inverse * inverse * m.weighted / count;
        const double c = -a * m.sum / count;
        kernels.affine_backward(at, x, g, mean, static_cast<float>(a), static_cast<float>(b),
                                static_cast<float>(c), input_gradient + first,
                                residual_gradient != nullptr ? residual_gradient + first : nullptr);
    });
}

} // namespace feddip::sparse::kernels
