#include "sparse/kernels/group_norm.hpp"

#include "nn/blocks.hpp"
#include "nn/layers/layer.hpp"

namespace feddip::nn {

namespace {

using dnnl::memory;
namespace kernels = sparse::kernels;

class group_norm final : public layer {
public:
    explicit group_norm(const fused_layer& fused) : layer_(fused) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        in_ = in_blocks(plan, std::move(inputs[0]));
        const memory::dims d = in_.desc().dims();
        shape_ = {.samples = static_cast<int>(d[0]),
                  .channels = static_cast<int>(d[1]),
                  .pixels = static_cast<int>(d[2] * d[3]),
                  .groups = layer_.spec.groups};
        out_ = !plan.training() && in_.unshared() ? in_ : plan.make(in_.desc());
        const auto statistics = static_cast<memory::dim>(kernels::group_memory_size(shape_));
        mean_ = plan.make(plain({statistics}));
        inverse_deviation_ = plan.make(plain({statistics}));
        plan.emit([shape = shape_, scale = parameter(plan, ".weight"), shift = parameter(plan, ".bias"),
                   mean = mean_.memory, inverse = inverse_deviation_.memory, in = in_.memory,
                   out = out_.memory, relu = layer_.relu, how = kernel_execution()](run_context&) {
            kernels::normalize_groups(shape, floats_of(scale), floats_of(shift),
                                      {floats_of(mean), floats_of(inverse)}, floats_of(in), floats_of(out),
                                      relu, how);
        });
        return out_;
    }

    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool /*wanted*/) override {
        diff_out = in_blocks(plan, std::move(diff_out));
        tensor diff_in = plan.make(in_.desc());
        plan.emit([shape = shape_, scale = parameter(plan, ".weight"), mean = mean_.memory,
                   inverse = inverse_deviation_.memory, in = in_.memory, out = out_.memory,
                   diff_out = diff_out.memory, diff_in = diff_in.memory,
                   diff_scale = plan.gradient(layer_.spec.name + ".weight").memory,
                   diff_shift = plan.gradient(layer_.spec.name + ".bias").memory, relu = layer_.relu_backward,
                   how = kernel_execution()](run_context&) {
            kernels::normalize_groups_backward(shape, floats_of(scale), {floats_of(mean), floats_of(inverse)},
                                               floats_of(in), floats_of(out), floats_of(diff_out),
                                               floats_of(diff_in), floats_of(diff_scale),
                                               floats_of(diff_shift), relu, how);
        });
        return {diff_in};
    }

private:
    memory parameter(const plan_builder& plan, const char* name) const {
        return plan.parameter(layer_.spec.name + name).memory;
    }

    fused_layer layer_;
    kernels::group_shape shape_{};
    tensor in_, out_, mean_, inverse_deviation_;
};

} // namespace

std::unique_ptr<layer> make_group_norm(const fused_layer& fused) {
    return std::make_unique<group_norm>(fused);
}

} // namespace feddip::nn
