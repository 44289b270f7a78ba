// A vector most of whose entries are zero, held as what it has.
#pragma once

#include "base/layout.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace feddip::sparse {

struct sparse_vector {
    mask support;
    std::vector<float> values; // [support.count()] in the order of the support

    bool operator==(const sparse_vector&) const = default;
};

// a + b, alive where a or b is. An entry that only one of them has keeps its bits. Supports are of equal
// size.
sparse_vector sum(const sparse_vector& a, const sparse_vector& b);

// As bytes: the length of the coded support (u32), the support (codec.hpp), the values (little-endian f32).
// `base` is a mask that the receiver holds, or null.
std::vector<std::byte> encode(const sparse_vector& v, const parameter_layout& layout, const mask* base);
// Throws feddip::error for bytes that are damaged or were made for another layout or base.
sparse_vector decode_vector(std::span<const std::byte> bytes, const parameter_layout& layout,
                            const mask* base);

} // namespace feddip::sparse
