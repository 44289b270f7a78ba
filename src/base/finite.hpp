// Whether values are numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace feddip {

inline bool all_finite(std::span<const float> values) {
    return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}

} // namespace feddip
