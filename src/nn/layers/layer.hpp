// Layers, each of which writes its part of a plan. They live only while the plan is made.
#pragma once

#include "nn/fusion.hpp"
#include "nn/plan.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace feddip::nn {

class layer {
public:
    virtual ~layer() = default;
    // Emits the steps that make the output.
    virtual tensor forward(plan_builder& plan, std::vector<tensor> inputs) = 0;
    // Emits the steps that make the parameters' gradients, in the network's buffer, and returns the gradients
    // of the inputs, in order; of none where they are not `wanted`. Called once, after forward, in training
    // plans only.
    virtual std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool wanted) = 0;
};

// A layer with weights, and the ReLU that follows it where one is folded in.
class weighted_layer : public layer {
public:
    explicit weighted_layer(const fused_layer& fused) : layer_(fused) {}
    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool wanted) final;

protected:
    // `diff_out` is the gradient before the ReLU, in the layout of the output.
    virtual void emit_weight_gradient(plan_builder& plan, const tensor& diff_out) = 0;
    virtual tensor emit_input_gradient(plan_builder& plan, const tensor& diff_out) = 0;

    // To be called by forward with the output. Only one whose ReLU is undone here is held on to.
    tensor remembered(tensor out);

    fused_layer layer_;

private:
    dnnl::memory::desc out_desc_;
    tensor rectified_;
};

std::unique_ptr<layer> make_layer(const fused_layer& fused);

// oneDNN's gradients of all weights and biases of a layer whose other passes run elsewhere. `in` and
// `diff_out` may have any layout.
void emit_convolution_gradients(plan_builder& plan, const layer_spec& spec, const tensor& in,
                                const tensor& diff_out);
void emit_fully_connected_gradients(plan_builder& plan, const layer_spec& spec, const tensor& in,
                                    const tensor& diff_out);

std::unique_ptr<layer> make_convolution(const fused_layer& fused);
std::unique_ptr<layer> make_fully_connected(const fused_layer& fused);
std::unique_ptr<layer> make_batch_norm(const fused_layer& fused);
// In blocks of 16 images, whatever the layers around it.
std::unique_ptr<layer> make_group_norm(const fused_layer& fused);
std::unique_ptr<layer> make_max_pool(const fused_layer& fused);
std::unique_ptr<layer> make_global_average_pool();
std::unique_ptr<layer> make_dropout(const fused_layer& fused);
std::unique_ptr<layer> make_residual_add(const fused_layer& fused);

// Emits the scoring of a batch: cross-entropy, top-1, top-5. In training it returns the gradient of the mean
// cross-entropy with respect to the logits, else nothing.
std::optional<tensor> score_softmax_cross_entropy(plan_builder& plan, tensor logits);

// What layers have in common.
dnnl::primitive_attr relu_after(bool relu);
// The gradient of a ReLU's input, in the layout of its output; in place where nobody else holds `diff_out`.
tensor undo_relu(plan_builder& plan, const tensor& out, tensor diff_out);

} // namespace feddip::nn
