// What a receiver holds while the messages of a fuzzer arrive.
#pragma once

#include "base/layout.hpp"
#include "sparse/mask.hpp"

namespace feddip::fuzz {

// Two prunable tensors, a third of one weight, and a bias.
inline parameter_layout small_layout() {
    return parameter_layout({{"a.weight", role::weight, {10, 20}, 0, 0, 20},
                             {"a.bias", role::bias, {10}, 0, 0, 20},
                             {"b.weight", role::weight, {7, 10}, 0, 0, 10},
                             {"c.weight", role::weight, {1, 1}, 0, 0, 1}});
}

// A third of the weights.
inline sparse::mask small_base(const parameter_layout& layout) {
    sparse::mask base(layout.prunable_size(), false);
    for (std::size_t i = 0; i < base.size(); i += 3) {
        base.set(i, true);
    }
    return base;
}

} // namespace feddip::fuzz
