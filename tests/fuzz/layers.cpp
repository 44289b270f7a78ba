// Layers of one's own: for each seven bytes, kind, name, from, outputs, kernel, stride, padding. What the
// config accepts reads back from what it writes, and what makes a network has the shapes that its layers say.
#include "config/layers.hpp"

#include "base/error.hpp"
#include "config/config.hpp"
#include "nn/models/custom.hpp"
#include "require.hpp"

#include <array>
#include <span>
#include <string>
#include <vector>

namespace feddip::fuzz {
namespace {

std::string name_of(std::uint8_t byte) {
    static constexpr std::array names{"", "a", "b", "c", "layer2", "x.y", "..", "\n"};
    return names[byte % names.size()];
}

config::layer_section layer_of(std::span<const std::uint8_t, 7> b) {
    using enum config::layer_word;
    config::layer_section layer;
    layer.kind = static_cast<config::layer_word>(b[0] % 9);
    layer.name = name_of(b[1]);
    if (layer.kind == convolution || layer.kind == fully_connected) {
        layer.outputs = b[3] == 255 ? 1 << 20 : b[3] % 20;
    }
    if (layer.kind == convolution) {
        layer.from = name_of(b[2]);
        layer.kernel = b[4];
        layer.stride = b[5];
        layer.padding = b[6];
        layer.bias = b[1] % 2 == 0;
    } else if (layer.kind == add) {
        layer.with = name_of(b[2]);
    } else if (layer.kind == max_pool) {
        layer.window = b[4];
    } else if (layer.kind == dropout) {
        layer.probability = b[4] / 250.0;
    } else if (layer.kind == group_norm) {
        layer.groups = b[3];
    }
    return layer;
}

void require_sound(const nn::model_spec& model, int classes) {
    std::vector<int> readers(model.layers().size() + 1);
    for (const auto& layer : model.layers()) {
        require(layer.output.channels > 0 && layer.output.height > 0 && layer.output.width > 0,
                "an empty output");
        for (const int input : layer.inputs) {
            ++readers[static_cast<std::size_t>(input)];
        }
    }
    for (std::size_t value = 0; value + 1 < readers.size(); ++value) {
        require(readers[value] > 0, "an output that nobody reads");
    }
    require(model.shape(model.last_value()) == data::image_shape{classes, 1, 1}, "another number of classes");
    require(model.layout().size() > 0, "a network without parameters");
}

} // namespace
} // namespace feddip::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    std::vector<config::layer_section> layers;
    for (std::size_t i = 0; i + 7 <= size; i += 7) {
        layers.push_back(fuzz::layer_of(std::span<const std::uint8_t, 7>(data + i, 7)));
    }
    try {
        const auto read =
            config::parse("model = {name = \"custom\", layers = " + config::show(layers) + "}", "input", {});
        fuzz::require(read.model.layers == layers, "layers change when they are written and read");
        fuzz::require_sound(nn::custom(layers, {3, 19, 19}, 5), 5);
    } catch (const input_error&) { // refused, as most inputs should be
    }
    return 0;
}
