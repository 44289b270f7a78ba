// The layers with weights, compiled for one mask.
#pragma once

#include "base/layout.hpp"
#include "nn/fusion.hpp"
#include "nn/plan.hpp"
#include "nn/sgd.hpp"
#include "sparse/kernels/kernels.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace feddip::nn {

data::image_shape input_shape_of(const std::vector<fused_layer>& layers, std::size_t layer,
                                 data::image_shape images);
// A fully connected layer is a 1x1 convolution of one pixel.
sparse::kernels::convolution_shape convolution_shape_of(const layer_spec& spec, data::image_shape input);
bool has_sparse_kernels(const layer_spec& spec);

// The alive weights of a tensor among all alive ones, which lie packed side by side in mask order.
struct packed_tensor {
    const parameter* tensor;
    std::size_t first;
    std::size_t count;
};

// Keeps the alive weights and their gradients packed, apart from the network's state: at a density of 0.05
// the weights that a step touches fit into a cache, where the state buffer does not. Where everything is
// alive, both are used where they lie.
class sparse_layers {
public:
    // Those from `first` on; `input` is the shape of the images. The mask is not kept.
    sparse_layers(const std::vector<fused_layer>& layers, std::size_t first, data::image_shape input,
                  const parameter_memory& flat, const sparse::mask& mask, int max_batch);

    // By layer; null for layers of another kind.
    sparse::kernels::sparse_convolution* convolution(std::size_t layer) const {
        return compiled_[layer].convolution.get();
    }
    sparse::kernels::sparse_linear* linear(std::size_t layer) const { return compiled_[layer].linear.get(); }

    // For the gradients of all weights, where oneDNN is not to compute them (kernel_choice.hpp); else null.
    sparse::kernels::sparse_convolution* all_alive(std::size_t layer) const {
        return compiled_[layer].all_alive.get();
    }

    // Of a compiled layer, packed.
    float* weights(std::size_t layer) const { return weights_ + compiled_[layer].packed.first; }
    float* gradients(std::size_t layer) const { return gradients_ + compiled_[layer].packed.first; }
    // Of all weights of a compiled layer, in the network's buffer.
    float* flat_gradients(std::size_t layer) const {
        return flat_.gradients + compiled_[layer].packed.tensor->offset;
    }

    // Between the packed weights and the state. Pruned weights are not touched.
    void pack_weights();
    void unpack_weights() const;
    void unpack_gradients() const;

    // FedDIP's step (nn/sgd.hpp) on the packed weights and on the rest of the state, for the mask they were
    // compiled for. The norm of a packed tensor is summed in another order than by sgd_step_on_mask, the rest
    // gives the same bits.
    void step(const sgd_settings& settings, const sparse::mask& mask) const;

private:
    struct compiled_layer {
        std::unique_ptr<sparse::kernels::sparse_convolution> convolution;
        std::unique_ptr<sparse::kernels::sparse_linear> linear;
        std::unique_ptr<sparse::kernels::sparse_convolution> all_alive;
        packed_tensor packed{};
    };
    bool is_packed(const parameter& tensor) const;
    void compile(compiled_layer& layer, const layer_spec& spec, data::image_shape input,
                 const sparse::mask& mask, int max_batch);

    parameter_memory flat_;
    std::vector<compiled_layer> compiled_;
    std::vector<std::uint32_t>
        positions_; // of the packed weights in the state; empty where it is used itself
    aligned_array<float> packed_;
    float* weights_;
    float* gradients_;
};

} // namespace feddip::nn
