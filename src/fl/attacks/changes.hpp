// Weights as changes of the model that they were trained from.
#pragma once

#include <cstddef>
#include <span>

namespace feddip::fl {

// weights = model + factor (weights - model)
inline void scale_change(std::span<const float> model, double factor, std::span<float> weights) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weights[i] = static_cast<float>(model[i] + factor * (static_cast<double>(weights[i]) - model[i]));
    }
}

// ||weights - model||^2
inline double squared_change(std::span<const float> model, std::span<const float> weights) {
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const double change = static_cast<double>(weights[i]) - model[i];
        sum += change * change;
    }
    return sum;
}

} // namespace feddip::fl
