#include "nn/blocks.hpp"
#include "nn/layers/blocked.hpp"
#include "sparse/kernels/layers.hpp"

namespace feddip::nn {

namespace {

using dnnl::memory;
namespace kernels = sparse::kernels;

float* floats_or_null(const memory& m) {
    return m ? floats_of(m) : nullptr;
}

class blocked_batch_norm final : public layer {
public:
    explicit blocked_batch_norm(const fused_layer& fused) : layer_(fused) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        in_ = in_blocks(plan, std::move(inputs[0]));
        const memory::dims d = in_.desc().dims();
        shape_ = {.samples = static_cast<int>(d[0]),
                  .channels = static_cast<int>(d[1]),
                  .pixels = static_cast<int>(d[2] * d[3])};
        const tensor residual = inputs.size() > 1 ? in_blocks(plan, std::move(inputs[1])) : tensor{};
        has_residual_ = inputs.size() > 1;
        out_ = !plan.training() && in_.unshared() ? in_ : plan.make(in_.desc());
        if (plan.training()) {
            emit_training(plan, residual.memory);
        } else {
            emit_inference(plan, residual.memory);
        }
        return out_;
    }

    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool /*wanted*/) override {
        diff_out = in_blocks(plan, std::move(diff_out));
        tensor diff_in = plan.make(in_.desc());
        tensor diff_residual;
        if (has_residual_) {
            diff_residual = diff_out.unshared() ? diff_out : plan.make(in_.desc());
        }
        plan.emit([shape = shape_, scale = parameter(plan, ".weight"), mean = mean_.memory,
                   inverse = inverse_deviation_.memory, in = in_.memory, out = out_.memory,
                   diff_out = diff_out.memory, diff_in = diff_in.memory, diff_residual = diff_residual.memory,
                   diff_scale = plan.gradient(layer_.spec.name + ".weight").memory,
                   diff_shift = plan.gradient(layer_.spec.name + ".bias").memory, relu = layer_.relu_backward,
                   how = kernel_execution()](run_context&) {
            kernels::normalize_backward(shape, floats_of(scale), {floats_of(mean), floats_of(inverse)},
                                        floats_of(in), floats_of(out), floats_of(diff_out),
                                        floats_of(diff_in), floats_or_null(diff_residual),
                                        floats_of(diff_scale), floats_of(diff_shift), relu, how);
        });
        return has_residual_ ? std::vector{diff_in, diff_residual} : std::vector{diff_in};
    }

private:
    memory parameter(const plan_builder& plan, const char* name) const {
        return plan.parameter(layer_.spec.name + name).memory;
    }

    kernels::normalization_parameters parameters(const plan_builder& plan) const {
        return {.scale = floats_of(parameter(plan, ".weight")),
                .shift = floats_of(parameter(plan, ".bias")),
                .running_mean = floats_of(parameter(plan, ".running_mean")),
                .running_variance = floats_of(parameter(plan, ".running_var"))};
    }

    void emit_training(plan_builder& plan, const memory& residual) {
        mean_ = plan.make(plain({shape_.channels}));
        inverse_deviation_ = plan.make(plain({shape_.channels}));
        plan.emit([shape = shape_, parameters = parameters(plan), mean = mean_.memory,
                   inverse = inverse_deviation_.memory, in = in_.memory, residual, out = out_.memory,
                   relu = layer_.relu, how = kernel_execution()](run_context&) {
            kernels::normalize_training(shape, parameters, {floats_of(mean), floats_of(inverse)},
                                        floats_of(in), floats_or_null(residual), floats_of(out), relu, how);
        });
    }

    void emit_inference(plan_builder& plan, const memory& residual) {
        plan.emit([shape = shape_, parameters = parameters(plan), in = in_.memory, residual,
                   out = out_.memory, relu = layer_.relu, how = kernel_execution()](run_context&) {
            kernels::normalize_inference(shape, parameters, floats_of(in), floats_or_null(residual),
                                         floats_of(out), relu, how);
        });
    }

    fused_layer layer_;
    kernels::normalization_shape shape_{};
    bool has_residual_ = false;
    tensor in_, out_, mean_, inverse_deviation_;
};

} // namespace

std::unique_ptr<layer> make_blocked_batch_norm(const fused_layer& fused) {
    return std::make_unique<blocked_batch_norm>(fused);
}

} // namespace feddip::nn
