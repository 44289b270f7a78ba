#include "nn/elementwise.hpp"
#include "nn/layers/layer.hpp"

namespace feddip::nn {

namespace {

class residual_add final : public layer {
public:
    explicit residual_add(const fused_layer& fused)
        : relu_(fused.relu), relu_backward_(fused.relu_backward) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        const tensor a = std::move(inputs[0]);
        const tensor b = plan.in_layout(std::move(inputs[1]), a.desc());
        out_ = a.unshared() ? a : plan.make(a.desc());
        plan.emit([a = a.memory, b = b.memory, out = out_.memory, n = size_of(a.desc()),
                   relu = relu_](run_context&) { add(floats_of(a), floats_of(b), floats_of(out), n, relu); });
        return out_;
    }

    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool wanted) override {
        if (!wanted) {
            return {};
        }
        if (relu_backward_) {
            diff_out = undo_relu(plan, out_, std::move(diff_out));
        }
        return {diff_out, diff_out};
    }

private:
    bool relu_;
    bool relu_backward_;
    tensor out_;
};

} // namespace

std::unique_ptr<layer> make_residual_add(const fused_layer& fused) {
    return std::make_unique<residual_add>(fused);
}

} // namespace feddip::nn
