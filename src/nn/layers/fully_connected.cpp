#include "nn/layers/layer.hpp"

#include <optional>

namespace feddip::nn {

namespace {

using dnnl::memory;

// In f32 all operands are in plain layout: the weights are then used where they lie, in the state buffer.
class fully_connected final : public weighted_layer {
public:
    using weighted_layer::weighted_layer;

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        const tensor weights = plan.parameter(layer_.spec.name + ".weight");
        const tensor bias = plan.parameter(layer_.spec.name + ".bias");
        flatten(plan, std::move(inputs[0]), weights.desc().dims()[1]);
        const memory::desc out = plain({plan.batch(), layer_.spec.output.channels});
        forward_.emplace(dnnl::inner_product_forward::desc(plan.forward_kind(), operand(plan, in_.desc()),
                                                           operand(plan, weights.desc()), bias.desc(), out),
                         relu_after(layer_.relu), plan.engine());
        in_ = plan.in_layout(std::move(in_), forward_->src_desc());
        weights_ = plan.in_layout(weights, forward_->weights_desc());
        out_ = plan.make(out);
        plan.emit(dnnl::inner_product_forward(*forward_), {{DNNL_ARG_SRC, in_.memory},
                                                           {DNNL_ARG_WEIGHTS, weights_.memory},
                                                           {DNNL_ARG_BIAS, bias.memory},
                                                           {DNNL_ARG_DST, out_.memory}});
        return out_;
    }

private:
    // Of bf16 oneDNN chooses the layout, for it is a copy anyway.
    static memory::desc operand(const plan_builder& plan, const memory::desc& d) {
        return plan.operands() == memory::data_type::f32
                   ? d
                   : memory::desc(d.dims(), plan.operands(), memory::format_tag::any);
    }

    void flatten(plan_builder& plan, tensor in, memory::dim inputs) {
        in_ = plan.in_plain_layout(std::move(in));
        original_ = in_.desc();
        flat_ = plain({plan.batch(), inputs});
        if (original_.dims().size() != 2) {
            in_ = plan.view(in_, flat_);
        }
    }

    void emit_weight_gradient(plan_builder& plan, const tensor& diff_out) override {
        const tensor weights = plan.gradient(layer_.spec.name + ".weight");
        const tensor bias = plan.gradient(layer_.spec.name + ".bias");
        const dnnl::inner_product_backward_weights::primitive_desc primitive(
            {in_.desc(), weights.desc(), bias.desc(), operand(plan, diff_out.desc())}, plan.engine(),
            *forward_);
        const tensor diff = plan.in_layout(diff_out, primitive.diff_dst_desc());
        plan.emit(dnnl::inner_product_backward_weights(primitive), {{DNNL_ARG_SRC, in_.memory},
                                                                    {DNNL_ARG_DIFF_DST, diff.memory},
                                                                    {DNNL_ARG_DIFF_WEIGHTS, weights.memory},
                                                                    {DNNL_ARG_DIFF_BIAS, bias.memory}});
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

std::unique_ptr<layer> make_fully_connected(const fused_layer& fused) {
    return std::make_unique<fully_connected>(fused);
}

} // namespace feddip::nn
