#include "io/onnx.hpp"

#include "base/error.hpp"
#include "io/protobuf.hpp"

#include <fmt/format.h>

#include <limits>

namespace feddip::io {

namespace {

// Field numbers of onnx.proto (onnx/onnx, IR version 7), by message.
namespace model_field {
constexpr int ir_version = 1, producer_name = 2, graph = 7, opset_import = 8, metadata_props = 14;
}
namespace opset_field {
constexpr int version = 2;
}
namespace metadata_field {
constexpr int key = 1, value = 2;
}
namespace graph_field {
constexpr int node = 1, name = 2, initializer = 5, input = 11, output = 12;
}
namespace node_field {
constexpr int input = 1, output = 2, name = 3, op_type = 4, attribute = 5;
}
namespace attribute_field {
constexpr int name = 1, f = 2, i = 3, ints = 8, type = 20;
}
namespace tensor_field {
constexpr int dims = 1, data_type = 2, name = 8, raw_data = 9;
}
namespace value_field {
constexpr int name = 1, type = 2;
}
namespace type_field {
constexpr int tensor = 1, element = 1, shape = 2, dimension = 1, extent = 1, symbol = 2;
}

constexpr int float_type = 1, integer_type = 7;                     // TensorProto.FLOAT and INT64
constexpr int f_attribute = 1, i_attribute = 2, ints_attribute = 7; // AttributeProto.AttributeType
constexpr int ir_version = 7, opset = 13;
constexpr float norm_epsilon = 1e-5F; // nn/layers/batch_norm.cpp

class node {
public:
    node(const char* operation, const std::string& output) : operation_(operation), output_(output) {}

    node& reads(const std::string& value) {
        message_.text(node_field::input, value);
        return *this;
    }
    node& has(const char* name, float value) {
        return has(name, f_attribute, [&](protobuf_message& a) { a.number(attribute_field::f, value); });
    }
    node& has(const char* name, int value) {
        return has(name, i_attribute, [&](protobuf_message& a) { a.integer(attribute_field::i, value); });
    }
    node& has(const char* name, const std::vector<int>& values) {
        return has(name, ints_attribute, [&](protobuf_message& a) {
            for (const int value : values) {
                a.integer(attribute_field::ints, value);
            }
        });
    }
    void put_into(protobuf_message& graph) {
        message_.text(node_field::output, output_);
        message_.text(node_field::name, output_);
        message_.text(node_field::op_type, operation_);
        graph.message(graph_field::node, message_);
    }

private:
    template <typename Fill>
    node& has(const char* name, int type, const Fill& fill) {
        protobuf_message a;
        a.text(attribute_field::name, name);
        fill(a);
        a.integer(attribute_field::type, type);
        message_.message(node_field::attribute, a);
        return *this;
    }

    const char* operation_;
    std::string output_;
    protobuf_message message_;
};

// Floats, `symbol` x `extents`.
protobuf_message value_info(const std::string& name, const std::string& symbol,
                            const std::vector<int>& extents) {
    protobuf_message shape, batch;
    batch.text(type_field::symbol, symbol);
    shape.message(type_field::dimension, batch);
    for (const int extent : extents) {
        protobuf_message dimension;
        dimension.integer(type_field::extent, extent);
        shape.message(type_field::dimension, dimension);
    }
    protobuf_message tensor, type, value;
    tensor.integer(type_field::element, float_type);
    tensor.message(type_field::shape, shape);
    type.message(type_field::tensor, tensor);
    value.text(value_field::name, name);
    value.message(value_field::type, type);
    return value;
}

protobuf_message initializer(const std::string& name, const std::vector<std::int64_t>& shape, int type,
                             std::span<const std::byte> values) {
    protobuf_message tensor;
    for (const std::int64_t extent : shape) {
        tensor.integer(tensor_field::dims, extent);
    }
    tensor.integer(tensor_field::data_type, type);
    tensor.text(tensor_field::name, name);
    tensor.bytes(tensor_field::raw_data, values);
    return tensor;
}

protobuf_message initializer(const parameter& p, std::span<const float> state) {
    return initializer(p.name, p.shape, float_type, std::as_bytes(state.subspan(p.offset, p.size)));
}

// A Reshape to `shape`, where 0 is an extent that stays.
void reshape(protobuf_message& graph, const std::string& input, const std::vector<std::int64_t>& shape,
             const std::string& output) {
    const std::string name = output + ".shape";
    graph.message(graph_field::initializer, initializer(name, {static_cast<std::int64_t>(shape.size())},
                                                        integer_type, std::as_bytes(std::span(shape))));
    node("Reshape", output).reads(input).reads(name).put_into(graph);
}

// Opset 13 has no group normalization: each group is an instance's channel, normalized without a scale, and
// each channel is scaled and shifted then.
void put_group_norm(protobuf_message& graph, const nn::layer_spec& layer, const std::string& input,
                    const std::string& output) {
    const std::string one = output + ".one", zero = output + ".zero";
    const std::vector<float> ones(static_cast<std::size_t>(layer.groups), 1), zeros(ones.size());
    const std::vector<std::int64_t> size{layer.groups};
    graph.message(graph_field::initializer,
                  initializer(one, size, float_type, std::as_bytes(std::span(ones))));
    graph.message(graph_field::initializer,
                  initializer(zero, size, float_type, std::as_bytes(std::span(zeros))));
    reshape(graph, input, {0, layer.groups, -1}, output + ".groups");
    node("InstanceNormalization", output + ".normal")
        .reads(output + ".groups")
        .reads(one)
        .reads(zero)
        .has("epsilon", norm_epsilon)
        .put_into(graph);
    reshape(graph, output + ".normal", {0, layer.output.channels, -1}, output + ".channels");
    reshape(graph, layer.name + ".weight", {-1, 1}, output + ".scale");
    reshape(graph, layer.name + ".bias", {-1, 1}, output + ".shift");
    node("Mul", output + ".scaled").reads(output + ".channels").reads(output + ".scale").put_into(graph);
    node("Add", output + ".shifted").reads(output + ".scaled").reads(output + ".shift").put_into(graph);
    node("Shape", output + ".images").reads(input).put_into(graph); // a vector's has two extents
    node("Reshape", output).reads(output + ".shifted").reads(output + ".images").put_into(graph);
}

// `output` as a vector, which it may be already.
void flatten(protobuf_message& graph, const std::string& input, const std::string& output) {
    node("Flatten", output).reads(input).has("axis", 1).put_into(graph);
}

// The nodes of one layer, the last of which makes `output`.
void put_layer(protobuf_message& graph, const nn::layer_spec& layer, const std::vector<std::string>& inputs,
               const std::string& output) {
    const std::string weight = layer.name + ".weight", bias = layer.name + ".bias";
    switch (layer.kind) {
    case nn::layer_kind::convolution: {
        node convolution("Conv", output);
        convolution.reads(inputs[0]).reads(weight);
        if (layer.bias) {
            convolution.reads(bias);
        }
        convolution.has("kernel_shape", {layer.kernel, layer.kernel})
            .has("strides", {layer.stride, layer.stride})
            .has("pads", {layer.padding, layer.padding, layer.padding, layer.padding})
            .put_into(graph);
        return;
    }
    case nn::layer_kind::fully_connected: {
        const std::string vectors = output + ".flat";
        flatten(graph, inputs[0], vectors);
        node product("Gemm", output);
        product.reads(vectors).reads(weight);
        if (layer.bias) {
            product.reads(bias);
        }
        product.has("transB", 1).put_into(graph);
        return;
    }
    case nn::layer_kind::batch_norm:
        node("BatchNormalization", output)
            .reads(inputs[0])
            .reads(weight)
            .reads(bias)
            .reads(layer.name + ".running_mean")
            .reads(layer.name + ".running_var")
            .has("epsilon", norm_epsilon)
            .put_into(graph);
        return;
    case nn::layer_kind::group_norm:
        put_group_norm(graph, layer, inputs[0], output);
        return;
    case nn::layer_kind::relu:
        node("Relu", output).reads(inputs[0]).put_into(graph);
        return;
    case nn::layer_kind::max_pool:
        node("MaxPool", output)
            .reads(inputs[0])
            .has("kernel_shape", {layer.kernel, layer.kernel})
            .has("strides", {layer.stride, layer.stride})
            .put_into(graph);
        return;
    case nn::layer_kind::global_average_pool:
        node("GlobalAveragePool", output).reads(inputs[0]).put_into(graph);
        return;
    case nn::layer_kind::dropout:
        node("Identity", output).reads(inputs[0]).put_into(graph);
        return;
    case nn::layer_kind::add:
        node("Add", output).reads(inputs[0]).reads(inputs[1]).put_into(graph);
        return;
    }
    throw error("can't write ONNX", layer.name, "a kind of layer that it has no words for");
}

} // namespace

std::vector<std::byte> encode_onnx(const nn::model_spec& model, const parameter_layout& layout,
                                   std::span<const float> state,
                                   const std::vector<std::pair<std::string, std::string>>& notes) {
    if (state.size_bytes() > std::numeric_limits<std::int32_t>::max() / 2) {
        throw error("can't write ONNX", "protobuf", "the model is larger than 1 GiB");
    }
    const data::image_shape in = model.shape(0);
    const auto& layers = model.layers();
    const auto name_of = [&](int value) -> std::string {
        return value == 0 ? "images" : value == model.last_value() ? "logits" : fmt::format("value{}", value);
    };
    protobuf_message graph;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const int value = static_cast<int>(i) + 1;
        const bool adds_vectors = layers[i].kind == nn::layer_kind::add && model.is_vector(value);
        std::vector<std::string> inputs;
        for (const int input : layers[i].inputs) {
            inputs.push_back(name_of(input));
            if (adds_vectors && !model.is_vector(input)) {
                inputs.back() = fmt::format("value{}.{}", value, inputs.back());
                flatten(graph, name_of(input), inputs.back());
            }
        }
        if (value == model.last_value() && !model.is_vector(value)) {
            put_layer(graph, layers[i], inputs, "maps");
            flatten(graph, "maps", name_of(value));
        } else {
            put_layer(graph, layers[i], inputs, name_of(value));
        }
    }
    graph.text(graph_field::name, "feddip");
    for (const parameter& p : layout.parameters()) {
        graph.message(graph_field::initializer, initializer(p, state));
    }
    graph.message(graph_field::input, value_info("images", "N", {in.channels, in.height, in.width}));
    graph.message(graph_field::output, value_info("logits", "N", {model.shape(model.last_value()).channels}));

    protobuf_message opsets, file;
    opsets.integer(opset_field::version, opset);
    file.integer(model_field::ir_version, ir_version);
    file.text(model_field::producer_name, "feddip");
    file.message(model_field::graph, graph);
    file.message(model_field::opset_import, opsets);
    for (const auto& [key, value] : notes) {
        protobuf_message note;
        note.text(metadata_field::key, key);
        note.text(metadata_field::value, value);
        file.message(model_field::metadata_props, note);
    }
    return file.encoded();
}

} // namespace feddip::io
