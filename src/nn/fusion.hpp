// Which layers of a model are computed together.
#pragma once

#include "nn/models/model.hpp"

#include <cstddef>
#include <vector>

namespace feddip::nn {

// A layer of the model with what is folded into it.
struct fused_layer {
    layer_spec spec;
    bool relu = false; // applied to the output
    bool relu_backward =
        false; // the gradient of the output passes through a ReLU: the layer's own or, before a
               // max pooling, that of the pooling's input, for then it has fewer elements
};

// The layers with additions folded into the batch normalizations before them, which then add their second
// input to their output; only the layers in blocks can do that. Layers before `first` stay as they are.
std::vector<fused_layer> fuse_additions(const std::vector<fused_layer>& layers, std::size_t first = 0);

// The model's layers with ReLUs folded into the layers before them; `inputs` and values are numbered anew.
std::vector<fused_layer> fuse(const model_spec& model);

} // namespace feddip::nn
