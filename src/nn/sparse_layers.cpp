#include "nn/sparse_layers.hpp"

#include "nn/blocks.hpp"

namespace feddip::nn {

namespace kernels = sparse::kernels;

data::image_shape input_shape_of(const std::vector<fused_layer>& layers, std::size_t layer,
                                 data::image_shape images) {
    const int value = layers[layer].spec.inputs.front();
    return value == 0 ? images : layers[static_cast<std::size_t>(value) - 1].spec.output;
}

kernels::convolution_shape convolution_shape_of(const layer_spec& spec, data::image_shape input) {
    if (spec.kind == layer_kind::fully_connected) {
        return {.in_channels = static_cast<int>(input.size()),
                .out_channels = spec.output.channels,
                .height = 1,
                .width = 1,
                .kernel = 1};
    }
    return {.in_channels = input.channels,
            .out_channels = spec.output.channels,
            .height = input.height,
            .width = input.width,
            .kernel = spec.kernel,
            .stride = spec.stride,
            .padding = spec.padding};
}

bool has_sparse_kernels(const layer_spec& spec) {
    constexpr int largest_kernel = 5;
    return spec.kind == layer_kind::fully_connected ||
           (spec.kind == layer_kind::convolution && spec.kernel <= largest_kernel);
}

sparse_layers::sparse_layers(const std::vector<fused_layer>& layers, data::image_shape input,
                             const parameter_layout& layout, const sparse::mask& mask, int max_batch)
    : compiled_(layers.size()) {
    const kernels::execution how = kernel_execution();
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const layer_spec& spec = layers[i].spec;
        if (!has_sparse_kernels(spec)) {
            continue;
        }
        const auto shape = convolution_shape_of(spec, input_shape_of(layers, i, input));
        const std::size_t first_bit = layout.named(spec.name + ".weight").offset;
        if (spec.kind == layer_kind::convolution) {
            compiled_[i].convolution =
                std::make_unique<kernels::sparse_convolution>(shape, mask, first_bit, how);
        } else {
            compiled_[i].linear = std::make_unique<kernels::sparse_linear>(
                shape.in_channels, shape.out_channels, mask, first_bit, kernels::blocks_of(max_batch), how);
        }
    }
}

} // namespace feddip::nn
