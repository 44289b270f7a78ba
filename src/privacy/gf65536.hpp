// Arithmetic of GF(2^16) = GF(2)[x] / (x^16 + x^5 + x^3 + x + 1), in time that doesn't depend on the
// operands.
#pragma once

#include <cstdint>

namespace feddip::privacy {

// Addition and subtraction are exclusive or.
constexpr std::uint16_t gf_product(std::uint16_t a, std::uint16_t b) {
    std::uint16_t product = 0;
    for (int bit = 15; bit >= 0; --bit) {
        const auto overflow = static_cast<std::uint16_t>(-(product >> 15));
        product = static_cast<std::uint16_t>((product << 1) ^ (overflow & 0x2BU));
        const auto chosen = static_cast<std::uint16_t>(-((b >> bit) & 1));
        product = static_cast<std::uint16_t>(product ^ (chosen & a));
    }
    return product;
}

// a^(2^16 - 2), which is 1 / a, and 0 for 0.
constexpr std::uint16_t gf_inverse(std::uint16_t a) {
    std::uint16_t result = 1, square = a;
    for (int bit = 1; bit < 16; ++bit) {
        square = gf_product(square, square);
        result = gf_product(result, square);
    }
    return result;
}

} // namespace feddip::privacy
