#include "nn/fusion.hpp"

#include <algorithm>
#include <utility>

namespace feddip::nn {

namespace {

const layer_spec& spec_of(const layer_spec& layer) {
    return layer;
}
const layer_spec& spec_of(const fused_layer& layer) {
    return layer.spec;
}

// By value.
template <typename Layer>
std::vector<int> count_readers(const std::vector<Layer>& layers) {
    std::vector<int> readers(layers.size() + 1, 0);
    for (const Layer& layer : layers) {
        for (const int input : spec_of(layer).inputs) {
            ++readers[static_cast<std::size_t>(input)];
        }
    }
    return readers;
}

} // namespace

std::vector<fused_layer> fuse(const model_spec& model) {
    const std::vector<int> readers = count_readers(model.layers());
    std::vector<int> renumbered{0}; // by old value
    std::vector<fused_layer> fused;
    std::vector<int> fused_readers{readers[0]};
    for (const layer_spec& layer : model.layers()) {
        const auto input = static_cast<std::size_t>(layer.inputs.front());
        const auto value = renumbered.size();
        if (layer.kind == layer_kind::relu && input > 0 && readers[input] == 1 &&
            takes_relu(fused[static_cast<std::size_t>(renumbered[input]) - 1].spec.kind)) {
            fused_layer& producer = fused[static_cast<std::size_t>(renumbered[input]) - 1];
            producer.relu = producer.relu_backward = true;
            renumbered.push_back(renumbered[input]);
            fused_readers[static_cast<std::size_t>(renumbered[input])] = readers[value];
            continue;
        }
        fused_layer next{.spec = layer};
        std::ranges::transform(layer.inputs, next.spec.inputs.begin(),
                               [&](int old) { return renumbered[static_cast<std::size_t>(old)]; });
        fused.push_back(std::move(next));
        renumbered.push_back(static_cast<int>(fused.size()));
        fused_readers.push_back(readers[value]);
    }
    for (fused_layer& layer : fused) {
        const auto input = static_cast<std::size_t>(layer.spec.inputs.front());
        if (layer.spec.kind == layer_kind::max_pool && input > 0 && fused_readers[input] == 1) {
            layer.relu_backward = std::exchange(fused[input - 1].relu_backward, false);
        }
    }
    return fused;
}

std::vector<fused_layer> fuse_additions(const std::vector<fused_layer>& layers, std::size_t first) {
    const std::vector<int> readers = count_readers(layers);
    std::vector<int> renumbered{0}; // by old value
    std::vector<fused_layer> fused;
    for (fused_layer layer : layers) {
        for (int& input : layer.spec.inputs) {
            input = renumbered[static_cast<std::size_t>(input)];
        }
        const std::size_t before = renumbered.size() - 1; // the old value of the layer before
        const bool follows_norm = fused.size() > first && fused.back().spec.kind == layer_kind::batch_norm &&
                                  !fused.back().relu && fused.back().spec.inputs.size() == 1 &&
                                  readers[before] == 1 &&
                                  layer.spec.inputs.front() == static_cast<int>(fused.size());
        if (layer.spec.kind == layer_kind::add && follows_norm) {
            fused.back().spec.inputs.push_back(layer.spec.inputs.back());
            fused.back().relu = layer.relu;
            fused.back().relu_backward = layer.relu_backward;
        } else {
            fused.push_back(std::move(layer));
        }
        renumbered.push_back(static_cast<int>(fused.size()));
    }
    return fused;
}

} // namespace feddip::nn
