// bfloat16: the upper half of a float, with 8 significant bits.
#pragma once

#include <bit>
#include <cstdint>

namespace feddip {

// The nearest bfloat16, of two equally near the even one; of a finite value never an infinity.
inline float nearest_bfloat16(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    constexpr std::uint32_t infinity = 0x7F800000;
    if ((bits & infinity) == infinity) {
        return value; // infinite, or not a number
    }
    auto rounded = (bits + 0x7FFF + ((bits >> 16) & 1U)) & 0xFFFF0000;
    if ((rounded & infinity) == infinity) {
        rounded = bits & 0xFFFF0000;
    }
    return std::bit_cast<float>(rounded);
}

} // namespace feddip
