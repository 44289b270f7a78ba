#include "nn/blocks.hpp"
#include "nn/layers/blocked.hpp"

#include <optional>

namespace feddip::nn {

namespace {

using dnnl::memory;

class global_average_pool final : public layer {
public:
    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        if (is_blocked(inputs[0].desc())) { // as a group norm leaves them; oneDNN has no fast kernel then
            in_blocks_ = make_blocked_average_pool();
            return in_blocks_->forward(plan, std::move(inputs));
        }
        const tensor in = std::move(inputs[0]);
        in_desc_ = in.desc();
        const memory::dims dims = in_desc_.dims();
        window_ = {dims[2], dims[3]};
        const memory::desc out({dims[0], dims[1], 1, 1}, memory::data_type::f32, memory::format_tag::any);
        forward_.emplace(dnnl::pooling_forward::desc(plan.forward_kind(), average, in_desc_, out, window_,
                                                     window_, {0, 0}, {0, 0}),
                         plan.engine());
        tensor result = plan.make(forward_->dst_desc());
        plan.emit(dnnl::pooling_forward(*forward_),
                  {{DNNL_ARG_SRC, in.memory}, {DNNL_ARG_DST, result.memory}});
        return result;
    }

    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool wanted) override {
        if (!wanted) {
            return {};
        }
        if (in_blocks_ != nullptr) {
            return in_blocks_->backward(plan, std::move(diff_out), wanted);
        }
        diff_out = plan.in_layout(std::move(diff_out), forward_->dst_desc());
        const dnnl::pooling_backward::primitive_desc primitive(
            {average, in_desc_, diff_out.desc(), window_, window_, {0, 0}, {0, 0}}, plan.engine(), *forward_);
        tensor diff_in = plan.make(in_desc_);
        plan.emit(dnnl::pooling_backward(primitive),
                  {{DNNL_ARG_DIFF_DST, diff_out.memory}, {DNNL_ARG_DIFF_SRC, diff_in.memory}});
        return {diff_in};
    }

private:
    static constexpr auto average = dnnl::algorithm::pooling_avg_exclude_padding;

    memory::dims window_;
    memory::desc in_desc_;
    std::optional<dnnl::pooling_forward::primitive_desc> forward_;
    std::unique_ptr<layer> in_blocks_;
};

} // namespace

std::unique_ptr<layer> make_global_average_pool() {
    return std::make_unique<global_average_pool>();
}

} // namespace feddip::nn
