// A network described as data: a sequence of layers, each reading earlier values.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"

#include <string>
#include <vector>

namespace feddip::nn {

enum class layer_kind {
    convolution,
    fully_connected, // flattens its input (channel, height, width)
    batch_norm,
    relu,
    max_pool, // square windows side by side, a remainder at the border is left out
    global_average_pool,
    dropout,
    add,
    group_norm,
};

// Whether a ReLU can be folded into such a layer, behind which it must come.
constexpr bool takes_relu(layer_kind kind) {
    return kind == layer_kind::convolution || kind == layer_kind::fully_connected ||
           kind == layer_kind::batch_norm || kind == layer_kind::group_norm || kind == layer_kind::add;
}

struct layer_spec {
    layer_kind kind;
    std::string name;           // prefix of its parameters' names
    std::vector<int> inputs;    // values: 0 is the image, i + 1 the output of layer i
    data::image_shape output{}; // a vector of n is n x 1 x 1
    int kernel = 1, stride = 1, padding = 0;
    bool bias = true;
    float drop_probability = 0;
    int groups = 1;
};

struct convolution_settings {
    int outputs;
    int kernel;
    int stride = 1;
    int padding = 0;
    bool bias = true;
};

std::string to_string(data::image_shape shape); // for people

// Each function appends a layer that reads value `from` (default: the last one) and returns the value it
// makes. Throws input_error where the shapes don't fit.
class model_spec {
public:
    explicit model_spec(data::image_shape input) : input_(input) {}

    int convolution(const std::string& name, const convolution_settings& settings, int from = last);
    int fully_connected(const std::string& name, int outputs);
    int batch_norm(const std::string& name);
    int group_norm(const std::string& name, int groups);
    // Of 32 groups where it is a group norm, as Wu and He (2018) have it.
    int norm(const std::string& name, config::norm_kind kind);
    int relu();
    int max_pool(int window);
    int global_average_pool();
    int dropout(float probability);
    int add(int other);

    data::image_shape shape(int value) const {
        return value == 0 ? input_ : layers_[static_cast<std::size_t>(value) - 1].output;
    }
    // Whether a value has no height and width: it comes from a fully connected layer, or was added to one
    // that does.
    bool is_vector(int value) const { return value > 0 && vectors_[static_cast<std::size_t>(value) - 1]; }
    int last_value() const { return static_cast<int>(layers_.size()); }
    const std::vector<layer_spec>& layers() const { return layers_; }

    parameter_layout layout() const;

private:
    static constexpr int last = -1;
    int append(layer_spec layer);
    bool gives_vector(const layer_spec& layer) const;

    data::image_shape input_;
    std::vector<layer_spec> layers_;
    std::vector<bool> vectors_; // by layer
};

} // namespace feddip::nn
