#include "nn/layers/layer.hpp"

#include <optional>

namespace feddip::nn {

namespace {

using dnnl::memory;

// Windows side by side, without padding.
class pooling final : public layer {
public:
    pooling(dnnl::algorithm algorithm, int window, bool relu_backward)
        : algorithm_(algorithm), window_(window), relu_backward_(relu_backward) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        const tensor in = std::move(inputs[0]);
        in_desc_ = in.desc();
        const memory::dims dims = in_desc_.dims();
        const memory::dim height = window_ == whole ? dims[2] : window_;
        const memory::dim width = window_ == whole ? dims[3] : window_;
        extent_ = {height, width};
        const memory::desc out({dims[0], dims[1], dims[2] / height, dims[3] / width}, memory::data_type::f32,
                               memory::format_tag::any);
        forward_.emplace(dnnl::pooling_forward::desc(plan.forward_kind(), algorithm_, in_desc_, out, extent_,
                                                     extent_, {0, 0}, {0, 0}),
                         plan.engine());
        out_ = plan.make(forward_->dst_desc());
        std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, in.memory}, {DNNL_ARG_DST, out_.memory}};
        if (needs_workspace(plan)) {
            workspace_ = plan.make(forward_->workspace_desc());
            arguments.emplace(DNNL_ARG_WORKSPACE, workspace_.memory);
        }
        plan.emit(dnnl::pooling_forward(*forward_), std::move(arguments));
        return out_;
    }

    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool wanted) override {
        if (!wanted) {
            return {};
        }
        diff_out = relu_backward_ ? undo_relu(plan, out_, std::move(diff_out))
                                  : plan.in_layout(std::move(diff_out), out_.desc());
        const dnnl::pooling_backward::primitive_desc primitive(
            {algorithm_, in_desc_, diff_out.desc(), extent_, extent_, {0, 0}, {0, 0}}, plan.engine(),
            *forward_);
        tensor diff_in = plan.make(in_desc_);
        std::unordered_map<int, memory> arguments{{DNNL_ARG_DIFF_DST, diff_out.memory},
                                                  {DNNL_ARG_DIFF_SRC, diff_in.memory}};
        if (needs_workspace(plan)) {
            arguments.emplace(DNNL_ARG_WORKSPACE, workspace_.memory);
        }
        plan.emit(dnnl::pooling_backward(primitive), std::move(arguments));
        return {diff_in};
    }

    static constexpr int whole = 0;

private:
    bool needs_workspace(const plan_builder& plan) const {
        return plan.training() && algorithm_ == dnnl::algorithm::pooling_max;
    }

    dnnl::algorithm algorithm_;
    int window_;
    bool relu_backward_;
    memory::dims extent_;
    memory::desc in_desc_;
    std::optional<dnnl::pooling_forward::primitive_desc> forward_;
    tensor out_, workspace_;
};

} // namespace

std::unique_ptr<layer> make_max_pool(const fused_layer& fused) {
    return std::make_unique<pooling>(dnnl::algorithm::pooling_max, fused.spec.kernel, fused.relu_backward);
}

std::unique_ptr<layer> make_global_average_pool() {
    return std::make_unique<pooling>(dnnl::algorithm::pooling_avg_exclude_padding, pooling::whole, false);
}

} // namespace feddip::nn
