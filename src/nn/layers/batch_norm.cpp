#include "nn/layers/layer.hpp"

#include <optional>

namespace feddip::nn {

namespace {

using dnnl::memory;

constexpr float epsilon = 1e-5F;
constexpr float momentum = 0.1F; // share of the new batch in the running statistics

// As in PyTorch the running variance takes the batch's unbiased variance, normalization the biased one.
void emit_running_update(plan_builder& plan, const tensor& mean, const tensor& variance,
                         const tensor& running_mean, const tensor& running_variance, memory::dim samples) {
    const auto n = static_cast<float>(samples);
    const float unbiased = samples > 1 ? n / (n - 1.0F) : 1.0F;
    plan.emit([mean = mean.memory, variance = variance.memory, running_mean = running_mean.memory,
               running_variance = running_variance.memory, unbiased,
               channels = size_of(mean.desc())](run_context&) {
        const auto update = [channels](const float* now, float scale, float* running) {
            for (std::size_t c = 0; c < channels; ++c) {
                running[c] = (1.0F - momentum) * running[c] + momentum * scale * now[c];
            }
        };
        update(floats_of(mean), 1.0F, floats_of(running_mean));
        update(floats_of(variance), unbiased, floats_of(running_variance));
    });
}

class batch_norm final : public layer {
public:
    explicit batch_norm(const fused_layer& fused) : layer_(fused) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        in_ = std::move(inputs[0]);
        forward_.emplace(
            dnnl::batch_normalization_forward::desc(plan.forward_kind(), in_.desc(), epsilon, flags(plan)),
            plan.engine());
        tensor out = plan.make(in_.desc());
        const tensor running_mean = parameter(plan, "running_mean");
        const tensor running_variance = parameter(plan, "running_var");
        mean_ = plan.training() ? plan.make(forward_->mean_desc()) : running_mean;
        variance_ = plan.training() ? plan.make(forward_->variance_desc()) : running_variance;
        std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, in_.memory},
                                                  {DNNL_ARG_DST, out.memory},
                                                  {DNNL_ARG_MEAN, mean_.memory},
                                                  {DNNL_ARG_VARIANCE, variance_.memory},
                                                  {DNNL_ARG_SCALE, parameter(plan, "weight").memory},
                                                  {DNNL_ARG_SHIFT, parameter(plan, "bias").memory}};
        if (plan.training() && layer_.relu) {
            workspace_ = plan.make(forward_->workspace_desc());
            arguments.emplace(DNNL_ARG_WORKSPACE, workspace_.memory);
        }
        plan.emit(dnnl::batch_normalization_forward(*forward_), std::move(arguments));
        if (plan.training()) {
            const memory::dims dims = in_.desc().dims(); // two, where a fully connected layer is before it
            const auto values = static_cast<memory::dim>(size_of(plain(dims)));
            emit_running_update(plan, mean_, variance_, running_mean, running_variance, values / dims[1]);
        }
        return out;
    }

    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool /*wanted*/) override {
        diff_out = plan.in_layout(std::move(diff_out), in_.desc());
        const dnnl::batch_normalization_backward::primitive_desc primitive(
            {dnnl::prop_kind::backward, diff_out.desc(), in_.desc(), epsilon, flags(plan)}, plan.engine(),
            *forward_);
        tensor diff_in = plan.make(in_.desc());
        std::unordered_map<int, memory> arguments{
            {DNNL_ARG_SRC, in_.memory},
            {DNNL_ARG_MEAN, mean_.memory},
            {DNNL_ARG_VARIANCE, variance_.memory},
            {DNNL_ARG_SCALE, parameter(plan, "weight").memory},
            {DNNL_ARG_SHIFT, parameter(plan, "bias").memory},
            {DNNL_ARG_DIFF_DST, diff_out.memory},
            {DNNL_ARG_DIFF_SRC, diff_in.memory},
            {DNNL_ARG_DIFF_SCALE, plan.gradient(layer_.spec.name + ".weight").memory},
            {DNNL_ARG_DIFF_SHIFT, plan.gradient(layer_.spec.name + ".bias").memory}};
        if (layer_.relu) {
            arguments.emplace(DNNL_ARG_WORKSPACE, workspace_.memory);
        }
        plan.emit(dnnl::batch_normalization_backward(primitive), std::move(arguments));
        return {diff_in};
    }

private:
    dnnl::normalization_flags flags(const plan_builder& plan) const {
        using flag = dnnl::normalization_flags;
        return flag::use_scale | flag::use_shift | (plan.training() ? flag::none : flag::use_global_stats) |
               (layer_.relu ? flag::fuse_norm_relu : flag::none);
    }

    tensor parameter(const plan_builder& plan, const char* name) const {
        return plan.parameter(layer_.spec.name + "." + name);
    }

    fused_layer layer_;
    std::optional<dnnl::batch_normalization_forward::primitive_desc> forward_;
    tensor in_, mean_, variance_, workspace_;
};

} // namespace

std::unique_ptr<layer> make_batch_norm(const fused_layer& fused) {
    return std::make_unique<batch_norm>(fused);
}

} // namespace feddip::nn
