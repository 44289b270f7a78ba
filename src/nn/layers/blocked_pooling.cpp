#include "nn/blocks.hpp"
#include "nn/layers/blocked.hpp"
#include "sparse/kernels/layers.hpp"

namespace feddip::nn {

namespace {

using dnnl::memory;
namespace kernels = sparse::kernels;

struct map_shape {
    int planes, height, width;

    explicit map_shape(const memory::dims& d)
        : planes(kernels::blocks_of(static_cast<int>(d[0])) * static_cast<int>(d[1])),
          height(static_cast<int>(d[2])), width(static_cast<int>(d[3])) {}
};

class blocked_max_pool final : public layer {
public:
    explicit blocked_max_pool(const fused_layer& fused) : relu_backward_(fused.relu_backward) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        in_ = in_blocks(plan, std::move(inputs[0]));
        const memory::dims d = in_.desc().dims();
        out_ = plan.make(blocked({d[0], d[1], d[2] / 2, d[3] / 2}));
        plan.emit([shape = map_shape(d), in = in_.memory, out = out_.memory,
                   how = kernel_execution()](run_context&) {
            kernels::max_pool(floats_of(in), floats_of(out), shape.planes, shape.height, shape.width, how);
        });
        return out_;
    }

    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool wanted) override {
        if (!wanted) {
            return {};
        }
        diff_out = plan.in_layout(std::move(diff_out), out_.desc());
        // In place where nobody else needs the input any more: the gradient then is where the cache has it.
        tensor diff_in = in_.unshared() ? in_ : plan.make(in_.desc());
        plan.emit([shape = map_shape(in_.desc().dims()), in = in_.memory, out = out_.memory,
                   from = diff_out.memory, to = diff_in.memory, relu = relu_backward_,
                   how = kernel_execution()](run_context&) {
            kernels::max_pool_backward(floats_of(in), floats_of(out), floats_of(from), floats_of(to),
                                       shape.planes, shape.height, shape.width, relu, how);
        });
        return {diff_in};
    }

private:
    bool relu_backward_;
    tensor in_, out_;
};

class blocked_average_pool final : public layer {
public:
    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        const tensor in = in_blocks(plan, std::move(inputs[0]));
        in_desc_ = in.desc();
        const memory::dims d = in_desc_.dims();
        out_desc_ = blocked({d[0], d[1], 1, 1});
        tensor out = plan.make(out_desc_);
        plan.emit(
            [shape = map_shape(d), in = in.memory, out = out.memory, how = kernel_execution()](run_context&) {
                kernels::average_pool(floats_of(in), floats_of(out), shape.planes, shape.height * shape.width,
                                      how);
            });
        return out;
    }

    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool wanted) override {
        if (!wanted) {
            return {};
        }
        diff_out = plan.in_layout(std::move(diff_out), out_desc_);
        tensor diff_in = plan.make(in_desc_);
        plan.emit([shape = map_shape(in_desc_.dims()), from = diff_out.memory, to = diff_in.memory,
                   how = kernel_execution()](run_context&) {
            kernels::average_pool_backward(floats_of(from), floats_of(to), shape.planes,
                                           shape.height * shape.width, how);
        });
        return {diff_in};
    }

private:
    memory::desc in_desc_, out_desc_;
};

} // namespace

std::unique_ptr<layer> make_blocked_max_pool(const fused_layer& fused) {
    return std::make_unique<blocked_max_pool>(fused);
}
std::unique_ptr<layer> make_blocked_average_pool() {
    return std::make_unique<blocked_average_pool>();
}

} // namespace feddip::nn
