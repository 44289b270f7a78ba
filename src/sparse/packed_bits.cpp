#include "sparse/packed_bits.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace feddip::sparse {

namespace {

void append(std::span<std::uint64_t> packed, std::size_t at, std::uint64_t bits) {
    packed[at / 64] |= bits << at % 64;
    packed[at / 64 + 1] |= bits >> 1 >> (63 - at % 64);
}

// 64 of them.
std::uint64_t bits_from(std::span<const std::uint64_t> packed, std::size_t at) {
    return packed[at / 64] >> at % 64 | packed[at / 64 + 1] << 1 << (63 - at % 64);
}

std::size_t count(std::uint64_t members) {
    return static_cast<std::size_t>(std::popcount(members));
}

#if defined(__x86_64__)

__attribute__((target("bmi2,popcnt"))) std::size_t pack_bits_bmi2(std::span<const std::uint64_t> bits,
                                                                  std::span<const std::uint64_t> members,
                                                                  std::span<std::uint64_t> packed,
                                                                  std::size_t at) {
    for (std::size_t w = 0; w < members.size(); ++w) {
        append(packed, at, _pext_u64(bits[w], members[w]));
        at += count(members[w]);
    }
    return at;
}

__attribute__((target("bmi2,popcnt"))) std::size_t unpack_bits_bmi2(std::span<const std::uint64_t> packed,
                                                                    std::size_t at,
                                                                    std::span<const std::uint64_t> members,
                                                                    std::span<std::uint64_t> bits) {
    for (std::size_t w = 0; w < members.size(); ++w) {
        bits[w] = _pdep_u64(bits_from(packed, at), members[w]);
        at += count(members[w]);
    }
    return at;
}

// AMD's before Zen 3 have the instructions, but carry them out bit by bit.
bool has_fast_bmi2() {
    static const bool has = __builtin_cpu_supports("bmi2") != 0 && __builtin_cpu_is("znver1") == 0 &&
                            __builtin_cpu_is("znver2") == 0;
    return has;
}

#else

constexpr bool has_fast_bmi2() {
    return false;
}
constexpr auto pack_bits_bmi2 = pack_bits_plain;
constexpr auto unpack_bits_bmi2 = unpack_bits_plain;

#endif

} // namespace

int bit_of(std::uint64_t members, std::size_t rank) {
    constexpr std::size_t half = 32;
    if (count(members) > half) { // fewer to be stepped over than to be counted
        int bit = static_cast<int>(rank);
        for (std::uint64_t others = ~members; others != 0; others &= others - 1, ++bit) {
            if (std::countr_zero(others) > bit) {
                break;
            }
        }
        return bit;
    }
    for (; rank > 0; --rank) {
        members &= members - 1;
    }
    return std::countr_zero(members);
}

std::size_t pack_bits_plain(std::span<const std::uint64_t> bits, std::span<const std::uint64_t> members,
                            std::span<std::uint64_t> packed, std::size_t at) {
    for (std::size_t w = 0; w < members.size(); ++w) {
        std::uint64_t together = 0;
        for (std::uint64_t left = bits[w] & members[w]; left != 0; left &= left - 1) {
            together |= std::uint64_t{1} << rank_of(members[w], std::countr_zero(left));
        }
        append(packed, at, together);
        at += count(members[w]);
    }
    return at;
}

std::size_t unpack_bits_plain(std::span<const std::uint64_t> packed, std::size_t at,
                              std::span<const std::uint64_t> members, std::span<std::uint64_t> bits) {
    for (std::size_t w = 0; w < members.size(); ++w) {
        const std::size_t taken = count(members[w]);
        bits[w] = 0;
        const std::uint64_t valid = taken == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << taken) - 1;
        for (std::uint64_t left = bits_from(packed, at) & valid; left != 0; left &= left - 1) {
            const auto rank = static_cast<std::size_t>(std::countr_zero(left));
            bits[w] |= std::uint64_t{1} << bit_of(members[w], rank);
        }
        at += taken;
    }
    return at;
}

std::size_t pack_bits(std::span<const std::uint64_t> bits, std::span<const std::uint64_t> members,
                      std::span<std::uint64_t> packed, std::size_t at) {
    return has_fast_bmi2() ? pack_bits_bmi2(bits, members, packed, at)
                           : pack_bits_plain(bits, members, packed, at);
}

std::size_t unpack_bits(std::span<const std::uint64_t> packed, std::size_t at,
                        std::span<const std::uint64_t> members, std::span<std::uint64_t> bits) {
    return has_fast_bmi2() ? unpack_bits_bmi2(packed, at, members, bits)
                           : unpack_bits_plain(packed, at, members, bits);
}

} // namespace feddip::sparse
