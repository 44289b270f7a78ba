#include "nn/layers/bf16_gradients.hpp"
#include "nn/layers/layer.hpp"

#include <optional>
#include <string_view>

namespace feddip::nn {

namespace {

using dnnl::memory;
using tag = memory::format_tag;

// What primitives of one convolution have in common.
struct geometry {
    memory::dims strides, padding;
    memory::desc weights, weight_gradients; // in any layout
    memory::desc bias;
    bool has_bias;
};

// Blocks of 16 channels suit oneDNN best, unless channels would have to be padded: then channels last. With
// 1x1 kernels that skip pixels oneDNN 2.6 then writes past the end of its buffers where there are few
// channels.
tag activation_layout(memory::dim inputs, const layer_spec& spec) {
    if (spec.kernel == 1 && spec.stride > 1) {
        return tag::any;
    }
    constexpr memory::dim image_channels = 3;
    const bool padded = spec.output.channels % 16 != 0 || (inputs > image_channels && inputs % 16 != 0);
    return padded ? tag::nhwc : tag::any;
}

memory::desc described(const memory::dims& dims, tag layout,
                       memory::data_type type = memory::data_type::f32) {
    return {dims, type, layout};
}

dnnl::convolution_forward::primitive_desc forward_primitive(const plan_builder& plan, const geometry& g,
                                                            const memory::desc& src, const memory::desc& dst,
                                                            bool relu) {
    // In inference too: what oneDNN 2.6 prefers there is slower, up to 1.7 times.
    const auto kind = dnnl::prop_kind::forward_training;
    const auto direct = dnnl::algorithm::convolution_direct;
    const auto attributes = relu_after(relu);
    if (g.has_bias) {
        return {{kind, direct, src, g.weights, g.bias, dst, g.strides, g.padding, g.padding},
                attributes,
                plan.engine()};
    }
    return {{kind, direct, src, g.weights, dst, g.strides, g.padding, g.padding}, attributes, plan.engine()};
}

dnnl::convolution_backward_weights::primitive_desc
weights_primitive(const plan_builder& plan, const geometry& g, const memory::desc& src,
                  const memory::desc& dst, const dnnl::convolution_forward::primitive_desc& hint) {
    const auto direct = dnnl::algorithm::convolution_direct;
    if (g.has_bias) {
        return {{direct, src, g.weight_gradients, g.bias, dst, g.strides, g.padding, g.padding},
                plan.engine(),
                hint};
    }
    return {{direct, src, g.weight_gradients, dst, g.strides, g.padding, g.padding}, plan.engine(), hint};
}

// oneDNN 2.6 has no other than its reference for some images of few channels in blocks (AVX2: of one
// channel), which takes 300 times as long as its kernel for channels last.
template <typename Primitive>
bool is_reference(const Primitive& primitive) {
    return std::string_view(primitive.impl_info_str()).starts_with("ref");
}

dnnl::convolution_backward_weights::primitive_desc
fast_weights_primitive(const plan_builder& plan, const geometry& g, const memory::desc& src,
                       const memory::desc& dst, const dnnl::convolution_forward::primitive_desc& hint) {
    auto primitive = weights_primitive(plan, g, src, dst, hint);
    if (is_reference(primitive)) {
        const auto from = described(src.dims(), tag::nhwc, plan.operands());
        const auto last = forward_primitive(plan, g, from, described(dst.dims(), tag::nhwc), false);
        primitive = weights_primitive(plan, g, from, described(dst.dims(), tag::nhwc, plan.operands()), last);
    }
    return primitive;
}

geometry geometry_of(const plan_builder& plan, const layer_spec& spec) {
    const memory::dims weights = plan.parameter(spec.name + ".weight").desc().dims();
    return {.strides = {spec.stride, spec.stride},
            .padding = {spec.padding, spec.padding},
            .weights = described(weights, tag::any, plan.operands()),
            .weight_gradients = described(weights, tag::any),
            .bias = described({spec.output.channels}, tag::a),
            .has_bias = spec.bias};
}

void emit_gradients(plan_builder& plan, const layer_spec& spec,
                    const dnnl::convolution_backward_weights::primitive_desc& primitive, tensor in,
                    const tensor& diff_out) {
    in = plan.in_layout(std::move(in), primitive.src_desc());
    const tensor diff = plan.in_layout(diff_out, primitive.diff_dst_desc());
    const tensor gradient = plan.gradient(spec.name + ".weight");
    const bool direct = same_layout(gradient.desc(), primitive.diff_weights_desc());
    const tensor target = direct ? gradient : plan.make(primitive.diff_weights_desc());
    std::unordered_map<int, memory> arguments{
        {DNNL_ARG_SRC, in.memory}, {DNNL_ARG_DIFF_DST, diff.memory}, {DNNL_ARG_DIFF_WEIGHTS, target.memory}};
    if (spec.bias) {
        arguments.emplace(DNNL_ARG_DIFF_BIAS, plan.gradient(spec.name + ".bias").memory);
    }
    plan.emit(dnnl::convolution_backward_weights(primitive), std::move(arguments));
    if (!direct) {
        plan.reorder(target, gradient);
    }
}

class convolution final : public weighted_layer {
public:
    using weighted_layer::weighted_layer;

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        weights_ = plan.parameter(layer_.spec.name + ".weight");
        geometry_ = geometry_of(plan, layer_.spec);
        const tag layout = activation_layout(inputs[0].desc().dims()[1], layer_.spec);
        const memory::dims out_dims{plan.batch(), layer_.spec.output.channels, layer_.spec.output.height,
                                    layer_.spec.output.width};
        forward_.emplace(forward_primitive(plan, geometry_,
                                           described(inputs[0].desc().dims(), layout, plan.operands()),
                                           described(out_dims, layout), layer_.relu));
        diff_out_ = plan.operands() == memory::data_type::f32 ? forward_->dst_desc()
                                                              : described(out_dims, layout, plan.operands());
        diff_in_ = plan.operands() == memory::data_type::f32 ? forward_->src_desc()
                                                             : described(inputs[0].desc().dims(), layout);
        in_ = plan.in_layout(std::move(inputs[0]), forward_->src_desc());
        const tensor weights = plan.in_layout(weights_, forward_->weights_desc());
        tensor out = plan.make(forward_->dst_desc());
        std::unordered_map<int, memory> arguments{
            {DNNL_ARG_SRC, in_.memory}, {DNNL_ARG_WEIGHTS, weights.memory}, {DNNL_ARG_DST, out.memory}};
        if (geometry_.has_bias) {
            arguments.emplace(DNNL_ARG_BIAS, plan.parameter(layer_.spec.name + ".bias").memory);
        }
        plan.emit(dnnl::convolution_forward(*forward_), std::move(arguments));
        return remembered(std::move(out));
    }

private:
    void emit_weight_gradient(plan_builder& plan, const tensor& diff_out) override {
        if (emit_convolution_products(plan, layer_.spec, in_, diff_out)) {
            return;
        }
        emit_gradients(plan, layer_.spec,
                       fast_weights_primitive(plan, geometry_, forward_->src_desc(), diff_out_, *forward_),
                       in_, diff_out);
    }

    tensor emit_input_gradient(plan_builder& plan, const tensor& diff_out) override {
        const dnnl::convolution_backward_data::primitive_desc primitive(
            {dnnl::algorithm::convolution_direct, diff_in_, geometry_.weights, diff_out_, geometry_.strides,
             geometry_.padding, geometry_.padding},
            plan.engine(), *forward_);
        const tensor weights = plan.in_layout(weights_, primitive.weights_desc());
        const tensor diff = plan.in_layout(diff_out, primitive.diff_dst_desc());
        tensor diff_in = plan.make(primitive.diff_src_desc());
        plan.emit(dnnl::convolution_backward_data(primitive), {{DNNL_ARG_DIFF_DST, diff.memory},
                                                               {DNNL_ARG_WEIGHTS, weights.memory},
                                                               {DNNL_ARG_DIFF_SRC, diff_in.memory}});
        return diff_in;
    }

    geometry geometry_;
    std::optional<dnnl::convolution_forward::primitive_desc> forward_;
    memory::desc diff_in_, diff_out_; // what the backward passes ask for
    tensor weights_, in_;
};

} // namespace

void emit_convolution_gradients(plan_builder& plan, const layer_spec& spec, const tensor& in,
                                const tensor& diff_out) {
    // By way of plain layout, for oneDNN has no fast copy from blocks of images.
    const tensor plain_in = plan.in_plain_layout(in);
    const tensor plain_diff = plan.in_plain_layout(diff_out);
    if (emit_convolution_products(plan, spec, plain_in, plain_diff)) {
        return;
    }
    const geometry g = geometry_of(plan, spec);
    const memory::dims from = in.desc().dims();
    const memory::dims to = diff_out.desc().dims();
    const tag layout = activation_layout(from[1], spec);
    const auto hint =
        forward_primitive(plan, g, described(from, layout, plan.operands()), described(to, layout), false);
    const auto primitive =
        fast_weights_primitive(plan, g, hint.src_desc(), described(to, layout, plan.operands()), hint);
    emit_gradients(plan, spec, primitive, plain_in, plain_diff);
}

std::unique_ptr<layer> make_convolution(const fused_layer& fused) {
    return std::make_unique<convolution>(fused);
}

} // namespace feddip::nn
