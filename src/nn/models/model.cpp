#include "nn/models/model.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace feddip::nn {

std::string to_string(data::image_shape s) {
    return fmt::format("{} x {} x {}", s.channels, s.height, s.width);
}

namespace {

parameter declare(const std::string& name, role what, std::vector<std::int64_t> shape, std::int64_t fan_in) {
    std::size_t size = 1;
    for (const std::int64_t extent : shape) {
        size *= static_cast<std::size_t>(extent);
    }
    return {
        .name = name, .what = what, .shape = std::move(shape), .offset = 0, .size = size, .fan_in = fan_in};
}

void declare_weights(std::vector<parameter>& into, const layer_spec& layer, std::vector<std::int64_t> shape) {
    const std::int64_t outputs = shape.front();
    std::int64_t fan_in = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) {
        fan_in *= shape[i];
    }
    into.push_back(declare(layer.name + ".weight", role::weight, std::move(shape), fan_in));
    if (layer.bias) {
        into.push_back(declare(layer.name + ".bias", role::bias, {outputs}, fan_in));
    }
}

void declare_norm(std::vector<parameter>& into, const layer_spec& layer) {
    const std::vector<std::int64_t> shape{layer.output.channels};
    into.push_back(declare(layer.name + ".weight", role::norm_scale, shape, 0));
    into.push_back(declare(layer.name + ".bias", role::norm_shift, shape, 0));
    if (layer.kind == layer_kind::batch_norm) {
        into.push_back(declare(layer.name + ".running_mean", role::running_mean, shape, 0));
        into.push_back(declare(layer.name + ".running_var", role::running_variance, shape, 0));
    }
}

} // namespace

bool model_spec::gives_vector(const layer_spec& layer) const {
    switch (layer.kind) {
    case layer_kind::fully_connected:
        return true;
    case layer_kind::convolution:
    case layer_kind::max_pool:
    case layer_kind::global_average_pool:
        return false;
    default:
        return std::ranges::any_of(layer.inputs, [this](int input) { return is_vector(input); });
    }
}

int model_spec::append(layer_spec layer) {
    if (layer.output.channels < 1 || layer.output.height < 1 || layer.output.width < 1) {
        throw input_error(
            "can't build the network", fmt::format("layer {}", layers_.size() + 1),
            fmt::format("its input, {}, is too small for it: take larger images, or another model",
                        to_string(shape(layer.inputs.front()))));
    }
    vectors_.push_back(gives_vector(layer));
    layers_.push_back(std::move(layer));
    return last_value();
}

int model_spec::convolution(const std::string& name, const convolution_settings& settings, int from) {
    const int input = from == last ? last_value() : from;
    const data::image_shape in = shape(input);
    const auto extent = [&](int size) {
        const int places = size + 2 * settings.padding - settings.kernel;
        return places < 0 ? 0 : places / settings.stride + 1;
    };
    return append({.kind = layer_kind::convolution,
                   .name = name,
                   .inputs = {input},
                   .output = {settings.outputs, extent(in.height), extent(in.width)},
                   .kernel = settings.kernel,
                   .stride = settings.stride,
                   .padding = settings.padding,
                   .bias = settings.bias});
}

int model_spec::fully_connected(const std::string& name, int outputs) {
    return append({.kind = layer_kind::fully_connected,
                   .name = name,
                   .inputs = {last_value()},
                   .output = {outputs, 1, 1}});
}

int model_spec::batch_norm(const std::string& name) {
    return append({.kind = layer_kind::batch_norm,
                   .name = name,
                   .inputs = {last_value()},
                   .output = shape(last_value())});
}

int model_spec::group_norm(const std::string& name, int groups) {
    const data::image_shape in = shape(last_value());
    if (in.channels % groups != 0) {
        throw input_error(
            "can't build the network", fmt::format("layer {}", layers_.size() + 1),
            fmt::format("{} channels can't be split into {} equal groups", in.channels, groups));
    }
    return append({.kind = layer_kind::group_norm,
                   .name = name,
                   .inputs = {last_value()},
                   .output = in,
                   .groups = groups});
}

int model_spec::norm(const std::string& name, config::norm_kind kind) {
    constexpr int groups = 32;
    return kind == config::norm_kind::batch ? batch_norm(name) : group_norm(name, groups);
}

int model_spec::relu() {
    return append(
        {.kind = layer_kind::relu, .name = {}, .inputs = {last_value()}, .output = shape(last_value())});
}

int model_spec::max_pool(int window) {
    const data::image_shape in = shape(last_value());
    return append({.kind = layer_kind::max_pool,
                   .name = {},
                   .inputs = {last_value()},
                   .output = {in.channels, in.height / window, in.width / window},
                   .kernel = window,
                   .stride = window});
}

int model_spec::global_average_pool() {
    return append({.kind = layer_kind::global_average_pool,
                   .name = {},
                   .inputs = {last_value()},
                   .output = {shape(last_value()).channels, 1, 1}});
}

int model_spec::dropout(float probability) {
    return append({.kind = layer_kind::dropout,
                   .name = {},
                   .inputs = {last_value()},
                   .output = shape(last_value()),
                   .drop_probability = probability});
}

int model_spec::add(int other) {
    if (shape(other) != shape(last_value())) {
        throw input_error("can't build the network", fmt::format("layer {}", layers_.size() + 1),
                          "it adds two values of different shapes");
    }
    return append(
        {.kind = layer_kind::add, .name = {}, .inputs = {last_value(), other}, .output = shape(other)});
}

parameter_layout model_spec::layout() const {
    std::vector<parameter> declared;
    for (const layer_spec& layer : layers_) {
        const data::image_shape in = shape(layer.inputs.front());
        if (layer.kind == layer_kind::convolution) {
            declare_weights(declared, layer,
                            {layer.output.channels, in.channels, layer.kernel, layer.kernel});
        } else if (layer.kind == layer_kind::fully_connected) {
            declare_weights(declared, layer, {layer.output.channels, static_cast<std::int64_t>(in.size())});
        } else if (layer.kind == layer_kind::batch_norm || layer.kind == layer_kind::group_norm) {
            declare_norm(declared, layer);
        }
    }
    return parameter_layout(std::move(declared));
}

} // namespace feddip::nn
