// Layers on tensors in blocks of 16 images (nn/blocks.hpp).
#pragma once

#include "nn/layers/layer.hpp"
#include "nn/sparse_layers.hpp"

namespace feddip::nn {

// Layer `index` in blocks, or, where there are no kernels for that, as make_layer makes it.
std::unique_ptr<layer> make_blocked_layer(const fused_layer& fused, std::size_t index,
                                          const sparse_layers& compiled, gradient_scope scope);

// A compiled convolution or fully connected layer. On the mask the gradients go where the compiled layers
// keep them, those of all weights to the network's buffer.
std::unique_ptr<layer> make_sparse_layer(const fused_layer& fused, std::size_t index,
                                         const sparse_layers& compiled, gradient_scope scope);

// With a second input, that is added to the output before the ReLU.
std::unique_ptr<layer> make_blocked_batch_norm(const fused_layer& fused);
std::unique_ptr<layer> make_blocked_max_pool(const fused_layer& fused);
std::unique_ptr<layer> make_blocked_average_pool();
std::unique_ptr<layer> make_blocked_dropout(const fused_layer& fused);

} // namespace feddip::nn
