#pragma once

#include "base/layout.hpp"

namespace feddip::test {

// The prunable tensors of LeNet-5, and one bias.
inline parameter_layout lenet5_weights() {
    return parameter_layout({{"conv1.weight", role::weight, {6, 1, 5, 5}, 0, 0, 25},
                             {"conv1.bias", role::bias, {6}, 0, 0, 25},
                             {"conv2.weight", role::weight, {16, 6, 5, 5}, 0, 0, 150},
                             {"fc1.weight", role::weight, {120, 400}, 0, 0, 400},
                             {"fc2.weight", role::weight, {84, 120}, 0, 0, 120},
                             {"fc3.weight", role::weight, {10, 84}, 0, 0, 84}});
}

} // namespace feddip::test
