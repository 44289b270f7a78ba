// Masks as bytes, close to the information bound: a layer of n weights with k alive costs log2 C(n, k) bits
// and a few bytes, or less where the receiver holds a similar mask.
#pragma once

#include "base/layout.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::sparse {

// A coded mask, all numbers little-endian:
//   u8      version: 1, or 2 where there are 2^15 gaps or more
//   u8      1 when some layer is coded as the difference to the base, else 0
//   u32     hash of the base, only where that is 1
//   per prunable tensor, in layout order
//     varint  2 k + d: k weights are alive (d = 0: fresh), or k of those that are dead in the base (d = 1:
//     difference) varint  only where d = 1: how many of those alive in the base still are
//   the gaps: of the alive weights among the dead of the base, then, with d = 1, of those among its alive;
//   where more than half are alive, of the dead instead. In version 2 those with 2^13 gaps or more
//   among at most 2^27 positions come first, in blocks (gap_blocks.hpp); all others, of all layers, are one
//   stream (gap_coder.hpp)
// A fresh layer is one coded as the difference to nothing. Each layer takes what is smaller by
// its entropy.
//
// `base` is what the receiver holds, or null. Both masks cover layout.prunable_size() weights; throws
// feddip::error otherwise.
std::vector<std::byte> encode(const mask& m, const parameter_layout& layout, const mask* base = nullptr);

// Throws feddip::error for bytes that `encode` has not made for this layout, as far as that can be known, and
// for another base than theirs. Whatever the bytes, memory is that of a mask and time is proportional to its
// size.
mask decode(std::span<const std::byte> bytes, const parameter_layout& layout, const mask* base = nullptr);

// The bits that positions need at least: the sum over layers of log2 C(n, k).
double information_bound(const mask& m, const parameter_layout& layout);

} // namespace feddip::sparse
