// Where each parameter of a model lies in the one flat buffer that training, messages, masks and
// checkpoints share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace feddip {

enum class role : std::uint8_t {
    weight, // of a convolution (output, input, height, width) or fully connected layer (output, input):
            // prunable
    bias,
    norm_scale,
    norm_shift,
    running_mean,
    running_variance,
};

struct parameter {
    std::string name; // PyTorch's state_dict name, "conv1.weight"
    role what;
    std::vector<std::int64_t> shape;
    std::size_t offset;  // in floats
    std::size_t size;    // in floats
    std::int64_t fan_in; // inputs of one output unit; that of the layer's weight for a bias, 0 for norms

    bool prunable() const { return what == role::weight; }
    bool trainable() const { return what < role::running_mean; }
};

// The flat buffer is [prunable weights | biases, norm scales and shifts | running statistics], each part in
// the order in which the model declares it. A mask covers the first part, gradients the first two, and a
// message carries on-mask weights and then the rest (the tail) whole.
class parameter_layout {
public:
    parameter_layout() = default;
    // `declared` in model order; offsets are computed here and may be left 0.
    explicit parameter_layout(std::vector<parameter> declared);

    std::span<const parameter> parameters() const { return parameters_; } // in buffer order
    std::span<const parameter> weights() const { return std::span(parameters_).first(weight_tensors_); }
    const parameter& named(std::string_view name) const; // throws feddip::error when absent

    std::size_t prunable_size() const { return prunable_size_; }
    std::size_t trainable_size() const { return trainable_size_; }
    std::size_t size() const { return size_; } // trainable and running statistics, in floats

private:
    std::vector<parameter> parameters_;
    std::size_t weight_tensors_ = 0;
    std::size_t prunable_size_ = 0;
    std::size_t trainable_size_ = 0;
    std::size_t size_ = 0;
};

// PyTorch's initialization: weights and biases uniform in +-1/sqrt(fan_in); norm scale 1, shift 0,
// running mean 0 and variance 1. `state` has layout.size() floats. Depends on the seed alone.
void initialize(const parameter_layout& layout, std::uint64_t seed, std::span<float> state);

} // namespace feddip
