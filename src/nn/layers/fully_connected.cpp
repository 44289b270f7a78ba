#include "nn/layers/bf16_gradients.hpp"
#include "nn/layers/layer.hpp"

#include <optional>

namespace feddip::nn {

namespace {

using dnnl::memory;

// Of bf16 oneDNN chooses the layout, for it is a copy anyway.
memory::desc operand(const plan_builder& plan, const memory::desc& d) {
    return plan.operands() == memory::data_type::f32
               ? d
               : memory::desc(d.dims(), plan.operands(), memory::format_tag::any);
}

dnnl::inner_product_forward::primitive_desc
forward_primitive(const plan_builder& plan, const layer_spec& spec, const memory::desc& in, bool relu) {
    const memory::desc weights = plan.parameter(spec.name + ".weight").desc();
    return {dnnl::inner_product_forward::desc(plan.forward_kind(), operand(plan, in), operand(plan, weights),
                                              plan.parameter(spec.name + ".bias").desc(),
                                              plain({plan.batch(), spec.output.channels})),
            relu_after(relu), plan.engine()};
}

// `in` in plain layout or as `hint` asks for.
void emit_gradients(plan_builder& plan, const layer_spec& spec,
                    const dnnl::inner_product_forward::primitive_desc& hint, const tensor& in,
                    const tensor& diff_out) {
    if (emit_fully_connected_products(plan, spec, in, diff_out)) {
        return;
    }
    const tensor weights = plan.gradient(spec.name + ".weight");
    const tensor bias = plan.gradient(spec.name + ".bias");
    const dnnl::inner_product_backward_weights::primitive_desc primitive(
        {in.desc(), weights.desc(), bias.desc(), operand(plan, plain({plan.batch(), spec.output.channels}))},
        plan.engine(), hint);
    const tensor diff = plan.in_layout(diff_out, primitive.diff_dst_desc());
    plan.emit(dnnl::inner_product_backward_weights(primitive), {{DNNL_ARG_SRC, in.memory},
                                                                {DNNL_ARG_DIFF_DST, diff.memory},
                                                                {DNNL_ARG_DIFF_WEIGHTS, weights.memory},
                                                                {DNNL_ARG_DIFF_BIAS, bias.memory}});
}

// In f32 all operands are in plain layout: the weights are then used where they lie, in the state buffer.
class fully_connected final : public weighted_layer {
public:
    using weighted_layer::weighted_layer;

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        const tensor weights = plan.parameter(layer_.spec.name + ".weight");
        const tensor bias = plan.parameter(layer_.spec.name + ".bias");
        flatten(plan, std::move(inputs[0]), weights.desc().dims()[1]);
        forward_.emplace(forward_primitive(plan, layer_.spec, in_.desc(), layer_.relu));
        in_ = plan.in_layout(std::move(in_), forward_->src_desc());
        weights_ = plan.in_layout(weights, forward_->weights_desc());
        tensor out = plan.make(forward_->dst_desc());
        plan.emit(dnnl::inner_product_forward(*forward_), {{DNNL_ARG_SRC, in_.memory},
                                                           {DNNL_ARG_WEIGHTS, weights_.memory},
                                                           {DNNL_ARG_BIAS, bias.memory},
                                                           {DNNL_ARG_DST, out.memory}});
        return remembered(std::move(out));
    }

private:
    void flatten(plan_builder& plan, tensor in, memory::dim inputs) {
        in_ = plan.in_plain_layout(std::move(in));
        original_ = in_.desc();
        flat_ = plain({plan.batch(), inputs});
        if (original_.dims().size() != 2) {
            in_ = plan.view(in_, flat_);
        }
    }

    void emit_weight_gradient(plan_builder& plan, const tensor& diff_out) override {
        emit_gradients(plan, layer_.spec, *forward_, in_, diff_out);
    }

    tensor emit_input_gradient(plan_builder& plan, const tensor& diff_out) override {
        const dnnl::inner_product_backward_data::primitive_desc primitive(
            {flat_, operand(plan, weights_.desc()), operand(plan, diff_out.desc())}, plan.engine(),
            *forward_);
        const tensor diff = plan.in_layout(diff_out, primitive.diff_dst_desc());
        const tensor weights = plan.in_layout(weights_, primitive.weights_desc());
        tensor diff_in = plan.make(flat_);
        plan.emit(dnnl::inner_product_backward_data(primitive), {{DNNL_ARG_DIFF_DST, diff.memory},
                                                                 {DNNL_ARG_WEIGHTS, weights.memory},
                                                                 {DNNL_ARG_DIFF_SRC, diff_in.memory}});
        return original_.dims().size() == 2 ? diff_in : plan.view(diff_in, original_);
    }

    std::optional<dnnl::inner_product_forward::primitive_desc> forward_;
    memory::desc original_, flat_; // of the input, before and after it was flattened
    tensor in_, weights_;          // as multiplied
};

} // namespace

void emit_fully_connected_gradients(plan_builder& plan, const layer_spec& spec, const tensor& in,
                                    const tensor& diff_out) {
    const memory::dim inputs = plan.parameter(spec.name + ".weight").desc().dims()[1];
    const tensor flat = plan.in_layout(in, plain({plan.batch(), inputs}));
    const auto hint = forward_primitive(plan, spec, flat.desc(), false);
    emit_gradients(plan, spec, hint, plan.in_layout(flat, hint.src_desc()), diff_out);
}

std::unique_ptr<layer> make_fully_connected(const fused_layer& fused) {
    return std::make_unique<fully_connected>(fused);
}

} // namespace feddip::nn
