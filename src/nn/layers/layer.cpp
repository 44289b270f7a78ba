#include "nn/layers/layer.hpp"

#include "base/error.hpp"
#include "nn/elementwise.hpp"

namespace feddip::nn {

std::vector<tensor> weighted_layer::backward(plan_builder& plan, tensor diff_out, bool wanted) {
    diff_out = layer_.relu_backward ? undo_relu(plan, rectified_, std::move(diff_out))
                                    : plan.in_layout(std::move(diff_out), out_desc_);
    emit_weight_gradient(plan, diff_out);
    return wanted ? std::vector{emit_input_gradient(plan, diff_out)} : std::vector<tensor>{};
}

tensor weighted_layer::remembered(tensor out) {
    out_desc_ = out.desc();
    if (layer_.relu_backward) {
        rectified_ = out;
    }
    return out;
}

std::unique_ptr<layer> make_layer(const fused_layer& fused) {
    switch (fused.spec.kind) {
    case layer_kind::convolution:
        return make_convolution(fused);
    case layer_kind::fully_connected:
        return make_fully_connected(fused);
    case layer_kind::batch_norm:
        return make_batch_norm(fused);
    case layer_kind::group_norm:
        return make_group_norm(fused);
    case layer_kind::max_pool:
        return make_max_pool(fused);
    case layer_kind::global_average_pool:
        return make_global_average_pool();
    case layer_kind::dropout:
        return make_dropout(fused);
    case layer_kind::add:
        return make_residual_add(fused);
    case layer_kind::relu:
        break;
    }
    throw error("can't build the network", "ReLU", "it follows a layer that it can't be folded into");
}

dnnl::primitive_attr relu_after(bool relu) {
    dnnl::primitive_attr attributes;
    if (relu) {
        dnnl::post_ops after;
        after.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
        attributes.set_post_ops(after);
    }
    return attributes;
}

tensor undo_relu(plan_builder& plan, const tensor& out, tensor diff_out) {
    diff_out = plan.in_layout(std::move(diff_out), out.desc());
    tensor diff_in = diff_out.unshared() ? diff_out : plan.make(out.desc());
    plan.emit([out = out.memory, from = diff_out.memory, to = diff_in.memory, n = size_of(out.desc())](
                  run_context&) { relu_backward(floats_of(out), floats_of(from), floats_of(to), n); });
    return diff_in;
}

} // namespace feddip::nn
