#include "nn/sparse_layers.hpp"

#include "nn/blocks.hpp"
#include "nn/kernel_choice.hpp"

#include <algorithm>

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

sparse_layers::sparse_layers(const std::vector<fused_layer>& layers, std::size_t first,
                             data::image_shape input, const parameter_memory& flat, const sparse::mask& mask,
                             int max_batch)
    : flat_(flat), compiled_(layers.size()), weights_(flat.state), gradients_(flat.gradients) {
    const bool whole = mask.count() == mask.size();
    positions_.reserve(whole ? 0 : mask.count());
    for (std::size_t i = first; i < layers.size(); ++i) {
        const layer_spec& spec = layers[i].spec;
        if (!has_sparse_kernels(spec)) {
            continue;
        }
        const parameter& p = flat.layout->named(spec.name + ".weight");
        compiled_[i].packed = {&p, whole ? p.offset : positions_.size(), mask.count(p.offset, p.size)};
        compile(compiled_[i], spec, input_shape_of(layers, i, input), mask, max_batch);
        for (std::size_t k = p.offset; k < p.offset + p.size && !whole; ++k) {
            if (mask[k]) {
                positions_.push_back(static_cast<std::uint32_t>(k));
            }
        }
    }
    if (!whole) {
        packed_ = make_aligned<float>(2 * positions_.size());
        weights_ = packed_.get();
        gradients_ = packed_.get() + positions_.size();
        std::fill_n(weights_, 2 * positions_.size(), 0.0F);
    }
}

void sparse_layers::compile(compiled_layer& layer, const layer_spec& spec, data::image_shape input,
                            const sparse::mask& mask, int max_batch) {
    const kernels::execution how = kernel_execution();
    const auto shape = convolution_shape_of(spec, input);
    const std::size_t first_bit = layer.packed.tensor->offset;
    if (spec.kind == layer_kind::convolution) {
        layer.convolution = std::make_unique<kernels::sparse_convolution>(shape, mask, first_bit, how);
        if (!has_dense_gradients(shape)) {
            const sparse::mask all(layer.packed.tensor->size, true);
            layer.all_alive = std::make_unique<kernels::sparse_convolution>(shape, all, 0, how);
        }
    } else {
        layer.linear = std::make_unique<kernels::sparse_linear>(
            shape.in_channels, shape.out_channels, mask, first_bit, kernels::blocks_of(max_batch), how);
    }
}

void sparse_layers::pack_weights() {
    for (std::size_t i = 0; i < positions_.size(); ++i) {
        weights_[i] = flat_.state[positions_[i]];
    }
}

void sparse_layers::unpack_weights() const {
    for (std::size_t i = 0; i < positions_.size(); ++i) {
        flat_.state[positions_[i]] = weights_[i];
    }
}

void sparse_layers::unpack_gradients() const {
    for (std::size_t i = 0; i < positions_.size(); ++i) {
        flat_.gradients[positions_[i]] = gradients_[i];
    }
}

bool sparse_layers::is_packed(const parameter& tensor) const {
    return std::ranges::any_of(compiled_,
                               [&](const compiled_layer& layer) { return layer.packed.tensor == &tensor; });
}

void sparse_layers::step(const sgd_settings& settings, const sparse::mask& mask) const {
    for (const compiled_layer& layer : compiled_) {
        if (layer.packed.tensor != nullptr) {
            sgd_step_tensor(settings, regularizes(settings, *flat_.layout, *layer.packed.tensor),
                            gradients_ + layer.packed.first, weights_ + layer.packed.first,
                            layer.packed.count);
        }
    }
    for (const parameter& p : flat_.layout->parameters()) {
        if (p.trainable() && !is_packed(p)) {
            sgd_step_on_mask(*flat_.layout, p, settings, mask, flat_.gradients, flat_.state);
        }
    }
}

} // namespace feddip::nn
