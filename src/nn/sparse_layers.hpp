// The layers with weights, compiled for one mask.
#pragma once

#include "base/layout.hpp"
#include "nn/fusion.hpp"
#include "sparse/kernels/kernels.hpp"
#include "sparse/mask.hpp"

#include <memory>
#include <vector>

namespace feddip::nn {

data::image_shape input_shape_of(const std::vector<fused_layer>& layers, std::size_t layer,
                                 data::image_shape images);
// A fully connected layer is a 1x1 convolution of one pixel.
sparse::kernels::convolution_shape convolution_shape_of(const layer_spec& spec, data::image_shape input);
bool has_sparse_kernels(const layer_spec& spec);

class sparse_layers {
public:
    // `input` is the shape of the images. The mask is not kept.
    sparse_layers(const std::vector<fused_layer>& layers, data::image_shape input,
                  const parameter_layout& layout, const sparse::mask& mask, int max_batch);

    // By layer; null for layers of another kind.
    sparse::kernels::sparse_convolution* convolution(std::size_t layer) const {
        return compiled_[layer].convolution.get();
    }
    sparse::kernels::sparse_linear* linear(std::size_t layer) const { return compiled_[layer].linear.get(); }

private:
    struct compiled_layer {
        std::unique_ptr<sparse::kernels::sparse_convolution> convolution;
        std::unique_ptr<sparse::kernels::sparse_linear> linear;
    };
    std::vector<compiled_layer> compiled_;
};

} // namespace feddip::nn
