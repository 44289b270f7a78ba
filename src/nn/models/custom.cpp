#include "nn/models/custom.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace feddip::nn {

namespace {

constexpr double most_weights = 1 << 30;   // of a layer
constexpr double most_in_all = 4294967295; // positions of weights have 32 bits (sparse/ladder.cpp)
constexpr double most_values = 1 << 28;    // of an image, in a layer's output

class builder {
public:
    builder(data::image_shape input, int classes) : model_(input), classes_(classes) {}

    void append(const config::layer_section& layer) {
        ++number_;
        name_ = layer.name.empty() ? fmt::format("layer{}", number_) : layer.name;
        const data::image_shape in = model_.shape(model_.last_value());
        if (values_.contains(name_)) {
            fail("its name is that of an earlier layer");
        }
        make(layer, in);
        values_[name_] = model_.last_value();
    }

    model_spec finish() {
        const auto& layers = model_.layers();
        std::vector<int> readers(layers.size() + 1);
        for (const auto& layer : layers) {
            for (const int input : layer.inputs) {
                ++readers[static_cast<std::size_t>(input)];
            }
        }
        for (const auto& [name, value] : values_) {
            number_ = value;
            name_ = name;
            const auto& layer = layers[static_cast<std::size_t>(value) - 1];
            if (readers[static_cast<std::size_t>(value)] == 0 && value != model_.last_value()) {
                fail("nothing reads its output");
            }
            if (layer.kind == layer_kind::relu &&
                readers[static_cast<std::size_t>(layer.inputs.front())] != 1) {
                fail("another layer reads what it gets; only the output of a relu may be read twice");
            }
        }
        number_ = model_.last_value();
        name_ = std::ranges::find(values_, number_, [](const auto& v) { return v.second; })->first;
        const data::image_shape out = model_.shape(model_.last_value());
        if (out != data::image_shape{classes_, 1, 1}) {
            fail(fmt::format("it is the last and gives {}, where there are {} classes", to_string(out),
                             classes_));
        }
        if (layers.back().kind != layer_kind::fully_connected &&
            layers.back().kind != layer_kind::convolution) {
            fail("it is the last, which must be fully connected or a convolution");
        }
        return std::move(model_);
    }

private:
    void make(const config::layer_section& layer, data::image_shape in) {
        using config::layer_word;
        if (number_ == 1 && layer.kind != layer_word::convolution &&
            layer.kind != layer_word::fully_connected) {
            fail("it is the first, which must be a convolution or fully connected");
        }
        switch (layer.kind) {
        case layer_word::convolution: {
            const int from = layer.from.empty() ? model_.last_value() : value_of(layer.from);
            if (layer.outputs == 0) {
                fail("it needs outputs, the number of its channels");
            }
            if (layer.padding >= layer.kernel) {
                fail(fmt::format("a padding of {} is not smaller than its kernel of {}", layer.padding,
                                 layer.kernel));
            }
            require_maps(from);
            require_input(model_.shape(from), layer.kernel - 2 * layer.padding);
            require_size(static_cast<double>(model_.shape(from).channels) * layer.kernel * layer.kernel,
                         layer.outputs);
            model_.convolution(name_,
                               {.outputs = layer.outputs,
                                .kernel = layer.kernel,
                                .stride = layer.stride,
                                .padding = layer.padding,
                                .bias = layer.bias},
                               from);
            break;
        }
        case layer_word::fully_connected: {
            const int outputs = layer.outputs == 0 ? classes_ : layer.outputs;
            require_size(static_cast<double>(in.size()), outputs);
            model_.fully_connected(name_, outputs);
            break;
        }
        case layer_word::batch_norm:
            model_.batch_norm(name_);
            break;
        case layer_word::group_norm:
            if (in.channels % layer.groups != 0) {
                fail(fmt::format("{} channels can't be split into {} equal groups", in.channels,
                                 layer.groups));
            }
            model_.group_norm(name_, layer.groups);
            break;
        case layer_word::relu:
            if (!takes_relu(model_.layers().back().kind)) {
                fail("a relu must follow a convolution, a fully connected layer, a norm or an add");
            }
            model_.relu();
            break;
        case layer_word::max_pool:
            require_maps(model_.last_value());
            require_input(in, layer.window);
            model_.max_pool(layer.window);
            break;
        case layer_word::global_average_pool:
            require_maps(model_.last_value());
            model_.global_average_pool();
            break;
        case layer_word::dropout:
            model_.dropout(static_cast<float>(layer.probability));
            break;
        case layer_word::add: {
            if (layer.with.empty()) {
                fail("it needs with, the name of the layer whose output it adds");
            }
            const int other = value_of(layer.with);
            if (other == model_.last_value() || model_.shape(other) != in) {
                fail(other == model_.last_value()
                         ? "it adds its input to itself"
                         : fmt::format("it adds {} of {} to {}", to_string(model_.shape(other)), layer.with,
                                       to_string(in)));
            }
            model_.add(other);
            break;
        }
        }
        if (static_cast<double>(model_.shape(model_.last_value()).size()) > most_values) {
            fail("its output is larger than 2^28 values");
        }
    }

    void require_maps(int value) {
        if (model_.is_vector(value)) {
            fail("it can't follow on the vector of a fully connected layer, which has no height and width");
        }
    }

    void require_input(data::image_shape in, int least) {
        if (std::min(in.height, in.width) < least) {
            fail(fmt::format("its input, {}, is too small for it", to_string(in)));
        }
    }

    void require_size(double fan_in, int outputs) {
        if (fan_in * outputs > most_weights) {
            fail(fmt::format("it would have {:.3g} weights, more than 2^30", fan_in * outputs));
        }
        weights_ += fan_in * outputs;
        if (weights_ > most_in_all) {
            fail(fmt::format("with it the network would have {:.3g} weights, more than 2^32 - 1", weights_));
        }
    }

    int value_of(const std::string& name) {
        const auto found = values_.find(name);
        if (found == values_.end()) {
            fail(fmt::format("no layer before it is called {}", name));
        }
        return found->second;
    }

    [[noreturn]] void fail(const std::string& why) const {
        throw input_error("can't build the network",
                          fmt::format("model.layers, layer {} ({})", number_, name_), why);
    }

    model_spec model_;
    int classes_;
    double weights_ = 0; // so far
    int number_ = 0;     // of the layer in hand, from 1
    std::string name_;
    std::map<std::string, int> values_; // by name of the layer
};

} // namespace

model_spec custom(const std::vector<config::layer_section>& layers, data::image_shape input, int classes) {
    builder made(input, classes);
    for (const auto& layer : layers) {
        made.append(layer);
    }
    return made.finish();
}

} // namespace feddip::nn
