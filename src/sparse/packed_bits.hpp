// The bits of a bitmap that are members of a set, moved together, and back.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace feddip::sparse {

// How many of the members come before bit `bit`.
inline std::size_t rank_of(std::uint64_t members, int bit) {
    return static_cast<std::size_t>(std::popcount(members & ((std::uint64_t{1} << bit) - 1)));
}

// The inverse of rank_of.
int bit_of(std::uint64_t members, std::size_t rank);

// Members and bits lie word by word. Appends the bits at the members to `packed`, whose bits from `at` on are
// 0, and returns where they end. `packed` has a word more than its bits need.
std::size_t pack_bits(std::span<const std::uint64_t> bits, std::span<const std::uint64_t> members,
                      std::span<std::uint64_t> packed, std::size_t at);

// Writes to `bits` those of `packed`, from `at` on, to the members, and 0 elsewhere; returns the end of what
// was read.
std::size_t unpack_bits(std::span<const std::uint64_t> packed, std::size_t at,
                        std::span<const std::uint64_t> members, std::span<std::uint64_t> bits);

// The same, step by step: what the two are tested against, and run as without BMI2.
std::size_t pack_bits_plain(std::span<const std::uint64_t> bits, std::span<const std::uint64_t> members,
                            std::span<std::uint64_t> packed, std::size_t at);
std::size_t unpack_bits_plain(std::span<const std::uint64_t> packed, std::size_t at,
                              std::span<const std::uint64_t> members, std::span<std::uint64_t> bits);

} // namespace feddip::sparse
