// Gradients of weights from bf16 operands as matrix products: where oneDNN 2.6 has kernels of its own for
// them, its product beats those 2 to 8 times on AMX (tests/bench/README-compute.md).
#pragma once

#include "nn/models/model.hpp"
#include "nn/plan.hpp"

#include <cstddef>
#include <cstdint>

namespace feddip::nn {

// Each emits dW = diff_out^T in and the sums of diff_out for the biases, both f32, where the operands are
// bf16 and that is the faster way; else it emits nothing and returns false. `in` and `diff_out` may have any
// layout of oneDNN's.
[[nodiscard]] bool emit_fully_connected_products(plan_builder& plan, const layer_spec& spec, const tensor& in,
                                                 const tensor& diff_out);
[[nodiscard]] bool emit_convolution_products(plan_builder& plan, const layer_spec& spec, const tensor& in,
                                             const tensor& diff_out);

// A square window that moves over images, channels last.
struct window {
    std::int64_t channels, height, width, out_height, out_width;
    std::int64_t kernel, stride, padding;
};
// What each output of a convolution multiplies, as a row: out[image, y, x, ky, kx, channel], 0 outside the
// image.
void unfold(const std::uint16_t* images, std::size_t count, const window& w, std::uint16_t* out);

} // namespace feddip::nn
