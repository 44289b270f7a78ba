#include "nn/layers/bf16_gradients.hpp"

#include "nn/elementwise.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

namespace feddip::nn {

namespace {

using dnnl::memory;
using tag = memory::format_tag;
constexpr auto bf16 = memory::data_type::bf16;
constexpr auto f32 = memory::data_type::f32;

// Of matrices in plain layout; nothing where oneDNN has its reference alone, as for a batch of one.
std::optional<dnnl::matmul::primitive_desc> fast_product(const plan_builder& plan, const memory::desc& left,
                                                         const memory::desc& right) {
    const memory::desc product({left.dims()[0], right.dims()[1]}, f32, tag::ab);
    dnnl::matmul::primitive_desc primitive({left, right, product}, plan.engine());
    if (std::string_view(primitive.impl_info_str()).starts_with("ref")) {
        return std::nullopt;
    }
    return primitive;
}

// A matrix of {rows, columns} in plain layout, turned round and rounded.
tensor transposed(plan_builder& plan, const tensor& matrix, const memory::desc& wanted) {
    const memory::dim columns = wanted.dims()[0];
    const tensor turned =
        plan.view(matrix, memory::desc(wanted.dims(), matrix.desc().data_type(), {1, columns}));
    tensor rounded = plan.make(wanted);
    plan.reorder(turned, rounded);
    return rounded;
}

void emit_product(plan_builder& plan, const dnnl::matmul::primitive_desc& primitive, const tensor& left,
                  const tensor& right, const tensor& product) {
    plan.emit(
        dnnl::matmul(primitive),
        {{DNNL_ARG_SRC, left.memory}, {DNNL_ARG_WEIGHTS, right.memory}, {DNNL_ARG_DST, product.memory}});
}

// `diff_out` as a matrix with a row for each sum that a bias is in.
void emit_bias_gradient(plan_builder& plan, const layer_spec& spec, const tensor& diff_out,
                        memory::dim rows) {
    plan.emit([diff = diff_out.memory, bias = plan.gradient(spec.name + ".bias").memory,
               rows = static_cast<std::size_t>(rows),
               columns = static_cast<std::size_t>(spec.output.channels)](run_context&) {
        sum_rows(floats_of(diff), rows, columns, floats_of(bias));
    });
}

} // namespace

bool emit_fully_connected_products(plan_builder& plan, const layer_spec& spec, const tensor& in,
                                   const tensor& diff_out) {
    if (plan.operands() != bf16) {
        return false;
    }
    const tensor gradient = plan.gradient(spec.name + ".weight");
    const memory::desc left({spec.output.channels, plan.batch()}, bf16, tag::ab);
    const memory::desc right({plan.batch(), gradient.desc().dims()[1]}, bf16, tag::ab);
    const auto primitive = fast_product(plan, left, right);
    if (!primitive) {
        return false;
    }
    const tensor diff = plan.in_layout(diff_out, plain({plan.batch(), spec.output.channels}));
    emit_product(plan, *primitive, transposed(plan, diff, left), plan.in_layout(in, right), gradient);
    emit_bias_gradient(plan, spec, diff, plan.batch());
    return true;
}

bool emit_convolution_products(plan_builder& plan, const layer_spec& spec, const tensor& in,
                               const tensor& diff_out) {
    // Wider images fill oneDNN's own kernels, and unfolded they outgrow the caches.
    constexpr int widest = 8;
    if (plan.operands() != bf16 || spec.kernel == 1 || spec.output.width > widest) {
        return false;
    }
    const memory::dims from = in.desc().dims();
    const memory::dims to = diff_out.desc().dims();
    const window w{.channels = from[1],
                   .height = from[2],
                   .width = from[3],
                   .out_height = to[2],
                   .out_width = to[3],
                   .kernel = spec.kernel,
                   .stride = spec.stride,
                   .padding = spec.padding};
    const memory::dim rows = to[0] * to[2] * to[3];
    const memory::desc left({to[1], rows}, bf16, tag::ab);
    const memory::desc right({rows, w.kernel * w.kernel * w.channels}, bf16, tag::ab);
    const auto primitive = fast_product(plan, left, right);
    if (!primitive) {
        return false;
    }
    const tensor images = plan.in_layout(in, memory::desc(from, bf16, tag::nhwc));
    const tensor unfolded = plan.make(right);
    plan.emit([images = images.memory, unfolded = unfolded.memory, count = static_cast<std::size_t>(from[0]),
               w](run_context&) {
        unfold(static_cast<const std::uint16_t*>(images.get_data_handle()), count, w,
               static_cast<std::uint16_t*>(unfolded.get_data_handle()));
    });
    const tensor diff = plan.in_layout(diff_out, memory::desc(to, f32, tag::nhwc));
    const tensor left_side = transposed(plan, diff, left);
    const tensor gradient = plan.gradient(spec.name + ".weight");
    const tensor channels_last = plan.make(memory::desc(gradient.desc().dims(), f32, tag::nhwc));
    const tensor product = plan.view(channels_last, primitive->dst_desc());
    emit_product(plan, *primitive, left_side, unfolded, product);
    plan.reorder(channels_last, gradient);
    if (spec.bias) {
        emit_bias_gradient(plan, spec, diff, rows);
    }
    return true;
}

void unfold(const std::uint16_t* images, std::size_t count, const window& w, std::uint16_t* out) {
    const std::int64_t row = w.kernel * w.kernel * w.channels;
    const auto pixels = static_cast<std::int64_t>(count) * w.out_height * w.out_width;
#pragma omp parallel for schedule(static)
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
        const std::int64_t x = pixel % w.out_width * w.stride - w.padding;
        const std::int64_t y = pixel / w.out_width % w.out_height * w.stride - w.padding;
        const std::uint16_t* image =
            images + pixel / (w.out_width * w.out_height) * w.height * w.width * w.channels;
        std::uint16_t* to = out + pixel * row;
        for (std::int64_t ky = y; ky < y + w.kernel; ++ky) {
            for (std::int64_t kx = x; kx < x + w.kernel; ++kx, to += w.channels) {
                if (ky < 0 || ky >= w.height || kx < 0 || kx >= w.width) {
                    std::fill_n(to, w.channels, std::uint16_t{0});
                } else {
                    std::copy_n(image + (ky * w.width + kx) * w.channels, w.channels, to);
                }
            }
        }
    }
}

} // namespace feddip::nn
