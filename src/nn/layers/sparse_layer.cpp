#include "nn/blocks.hpp"
#include "nn/layers/blocked.hpp"

#include <functional>

namespace feddip::nn {

namespace {

using dnnl::memory;
using sparse::kernels::blocks_of;

template <typename Compiled>
constexpr bool takes_vectors = std::is_same_v<Compiled, sparse::kernels::sparse_linear>;

// Emits the gradients of the weights, from a layer's input and the gradient of its output.
using gradient_emitter = std::function<void(plan_builder&, const tensor& in, const tensor& diff_out)>;

template <typename Compiled>
class sparse_layer final : public weighted_layer {
public:
    // `weights`: the alive ones, in mask order.
    sparse_layer(const fused_layer& fused, Compiled& compiled, const float* weights,
                 gradient_emitter emit_gradients)
        : weighted_layer(fused), compiled_(&compiled), weights_(weights),
          emit_gradients_(std::move(emit_gradients)) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        in_ = in_blocks(plan, std::move(inputs[0]));
        original_ = in_.desc();
        if constexpr (takes_vectors<Compiled>) {
            in_ = flattened(plan, in_);
        }
        const data::image_shape shape = layer_.spec.output;
        tensor out = plan.make(blocked({plan.batch(), shape.channels, shape.height, shape.width}));
        const bool backward_input = plan.training() && layer_.spec.inputs.front() != 0;
        plan.emit([compiled = compiled_, weights = weights_, bias = bias_of(plan), in = in_.memory,
                   out = out.memory, blocks = blocks_of(plan.batch()), relu = layer_.relu,
                   backward_input](run_context&) {
            compiled->load_weights(weights, backward_input);
            compiled->forward(floats_of(in), bias ? floats_of(bias) : nullptr, floats_of(out), blocks, relu);
        });
        return remembered(std::move(out));
    }

private:
    memory bias_of(const plan_builder& plan) const {
        return layer_.spec.bias ? plan.parameter(layer_.spec.name + ".bias").memory : memory();
    }

    void emit_weight_gradient(plan_builder& plan, const tensor& diff_out) override {
        emit_gradients_(plan, in_, diff_out);
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
    gradient_emitter emit_gradients_;
    memory::desc original_; // of the input, before it was flattened
    tensor in_;
};

// Those of the weights that `kernels` were compiled for, to `gradients`, in mask order.
template <typename Compiled>
gradient_emitter gradients_by(Compiled& kernels, const layer_spec& spec, float* gradients) {
    return [&kernels, spec, gradients](plan_builder& plan, const tensor& in, const tensor& diff_out) {
        const memory bias = spec.bias ? plan.gradient(spec.name + ".bias").memory : memory();
        plan.emit([&kernels, gradients, bias, in = in.memory, diff = diff_out.memory,
                   blocks = blocks_of(plan.batch())](run_context&) {
            kernels.backward_weights(floats_of(in), floats_of(diff), gradients,
                                     bias ? floats_of(bias) : nullptr, blocks);
        });
    };
}

gradient_emitter all_gradients(const layer_spec& spec, std::size_t index, const sparse_layers& compiled) {
    if (compiled.all_alive(index) != nullptr) {
        return gradients_by(*compiled.all_alive(index), spec, compiled.flat_gradients(index));
    }
    const auto emit =
        spec.kind == layer_kind::convolution ? emit_convolution_gradients : emit_fully_connected_gradients;
    return [emit, spec](plan_builder& plan, const tensor& in, const tensor& diff_out) {
        emit(plan, spec, in, diff_out);
    };
}

} // namespace

std::unique_ptr<layer> make_sparse_layer(const fused_layer& fused, std::size_t index,
                                         const sparse_layers& compiled, gradient_scope scope) {
    const auto make = [&]<typename Compiled>(Compiled& kernels) -> std::unique_ptr<layer> {
        auto gradients = scope == gradient_scope::all
                             ? all_gradients(fused.spec, index, compiled)
                             : gradients_by(kernels, fused.spec, compiled.gradients(index));
        return std::make_unique<sparse_layer<Compiled>>(fused, kernels, compiled.weights(index),
                                                        std::move(gradients));
    };
    if (compiled.convolution(index) != nullptr) {
        return make(*compiled.convolution(index));
    }
    return make(*compiled.linear(index));
}

} // namespace feddip::nn
