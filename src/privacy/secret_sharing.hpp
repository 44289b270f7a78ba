// A secret in n shares, any t of which give it back and fewer of which say nothing about it.
#pragma once

#include "privacy/secret.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace feddip::privacy {

// Shamir 1979, "How to share a secret", over GF(2^16) = GF(2)[x] / (x^16 + x^5 + x^3 + x + 1): a secret is 16
// elements (two bytes each, little-endian), each the value at 0 of a polynomial of its own, and a share their
// values at `point`. Nothing looks a secret up in a table or branches on it.
struct secret_share {
    std::uint16_t point = 0; // from 1
    secret values;
};

// For the points 1 to `shares`; the coefficients are fresh random bytes. 1 <= threshold <= shares <= 65535,
// or feddip::input_error is thrown.
std::vector<secret_share> split(const secret& whole, std::uint32_t shares, std::uint32_t threshold);

// The value at 0 of the polynomial through all of `shares`: the secret, where they are at least as many as
// its threshold and none was altered. Whoever needs to know that holds a hash of it. Throws feddip::error
// where there are none, or points are 0 or equal.
secret combine(std::span<const secret_share> shares);

} // namespace feddip::privacy
