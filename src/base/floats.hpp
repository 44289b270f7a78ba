// What is asked of many floats at once.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace feddip {

inline bool all_finite(std::span<const float> values) {
    return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}

inline double squared_norm(std::span<const float> values) {
    double sum = 0;
    for (const float v : values) {
        sum += static_cast<double>(v) * v;
    }
    return sum;
}

} // namespace feddip
