#include "nn/blocks.hpp"
#include "nn/layers/blocked.hpp"

namespace feddip::nn {

namespace {

using dnnl::memory;
using sparse::kernels::blocks_of;

template <typename Compiled>
constexpr bool takes_vectors = std::is_same_v<Compiled, sparse::kernels::sparse_linear>;

template <typename Compiled>
class sparse_layer final : public weighted_layer {
public:
    // `weights` and `gradients`: of the alive weights, in mask order.
    sparse_layer(const fused_layer& fused, Compiled& compiled, const float* weights, float* gradients)
        : weighted_layer(fused), compiled_(&compiled), weights_(weights), gradients_(gradients) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        in_ = in_blocks(plan, std::move(inputs[0]));
        original_ = in_.desc();
        if constexpr (takes_vectors<Compiled>) {
            in_ = flattened(plan, in_);
        }
        const data::image_shape out = layer_.spec.output;
        out_ = plan.make(blocked({plan.batch(), out.channels, out.height, out.width}));
        const bool backward_input = plan.training() && layer_.spec.inputs.front() != 0;
        plan.emit([compiled = compiled_, weights = weights_, bias = bias_of(plan), in = in_.memory,
                   out = out_.memory, blocks = blocks_of(plan.batch()), relu = layer_.relu,
                   backward_input](run_context&) {
            compiled->load_packed_weights(weights, backward_input);
            compiled->forward(floats_of(in), bias ? floats_of(bias) : nullptr, floats_of(out), blocks, relu);
        });
        return out_;
    }

private:
    memory bias_of(const plan_builder& plan) const {
        return layer_.spec.bias ? plan.parameter(layer_.spec.name + ".bias").memory : memory();
    }

    void emit_weight_gradient(plan_builder& plan, const tensor& diff_out) override {
        const memory bias = layer_.spec.bias ? plan.gradient(layer_.spec.name + ".bias").memory : memory();
        plan.emit([compiled = compiled_, gradients = gradients_, bias, in = in_.memory,
                   diff = diff_out.memory, blocks = blocks_of(plan.batch())](run_context&) {
            compiled->backward_packed_weights(floats_of(in), floats_of(diff), gradients,
                                              bias ? floats_of(bias) : nullptr, blocks);
        });
    }

    tensor emit_input_gradient(plan_builder& plan, const tensor& diff_out) override {
        tensor diff_in = plan.make(original_);
        plan.emit([compiled = compiled_, from = diff_out.memory, to = diff_in.memory,
                   blocks = blocks_of(plan.batch())](run_context&) {
            compiled->backward_input(floats_of(from), floats_of(to), blocks);
        });
        return diff_in;
    }

    Compiled* compiled_;
    const float* weights_;
    float* gradients_;
    memory::desc original_; // of the input, before it was flattened
    tensor in_;
};

} // namespace

std::unique_ptr<layer> make_sparse_layer(const fused_layer& fused, std::size_t index,
                                         const sparse_layers& compiled) {
    const auto make = [&]<typename Compiled>(Compiled& kernels) -> std::unique_ptr<layer> {
        return std::make_unique<sparse_layer<Compiled>>(fused, kernels, compiled.weights(index),
                                                        compiled.gradients(index));
    };
    if (compiled.convolution(index) != nullptr) {
        return make(*compiled.convolution(index));
    }
    return make(*compiled.linear(index));
}

} // namespace feddip::nn
