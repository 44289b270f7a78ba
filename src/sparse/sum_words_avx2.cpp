// 8 positions at a time: which of two sparse vectors has the next value can't be foreseen, and a branch
// guessed wrongly is dear.
#include "sparse/sum_words.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include <array>
#include <bit>

namespace feddip::sparse {

namespace {

// By the 8 bits of a support: where each position's value stands among the next ones (absent: -1), and back.
struct places {
    alignas(8) std::array<std::array<std::int8_t, 8>, 256> of_positions{};
    alignas(8) std::array<std::array<std::int8_t, 8>, 256> of_values{};

    constexpr places() {
        for (unsigned bits = 0; bits < 256; ++bits) {
            std::int8_t rank = 0;
            for (std::int8_t position = 0; position < 8; ++position) {
                const bool alive = (bits >> position & 1U) != 0;
                of_positions[bits][static_cast<std::size_t>(position)] = alive ? rank : std::int8_t{-1};
                if (alive) {
                    of_values[bits][static_cast<std::size_t>(rank++)] = position;
                }
            }
        }
    }
};

constexpr places by_bits;

__attribute__((target("avx2"))) inline __m256i load(const std::array<std::int8_t, 8>& indices) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(indices.data())));
}

// Absent ones are -0, which leaves all that it is added to as it is.
__attribute__((target("avx2"))) inline __m256 spread(const float* values, unsigned bits) {
    const __m256i places = load(by_bits.of_positions[bits]);
    const __m256 moved = _mm256_permutevar8x32_ps(_mm256_loadu_ps(values), places);
    return _mm256_blendv_ps(moved, _mm256_set1_ps(-0.0F), _mm256_castsi256_ps(places));
}

} // namespace

__attribute__((target("avx2,popcnt"))) void sum_words_avx2(words_to_sum& left) {
    constexpr std::ptrdiff_t enough = 64 + 8; // to read and write 8 values in any case
    const float* a = left.a.data();
    const float* b = left.b.data();
    float* sum = left.sum.data();
    const float* const a_end = a + left.a.size();
    const float* const b_end = b + left.b.size();
    const float* const sum_end = sum + left.sum.size();
    std::size_t w = 0;
    for (; w < left.in_a.size() && a_end - a >= enough && b_end - b >= enough && sum_end - sum >= enough;
         ++w) {
        std::uint64_t in_a = left.in_a[w];
        std::uint64_t in_b = left.in_b[w];
        if ((in_a | in_b) == 0) {
            continue;
        }
        for (int byte = 0; byte < 8; ++byte, in_a >>= 8, in_b >>= 8) {
            const auto here_a = static_cast<unsigned>(in_a & 0xFFU);
            const auto here_b = static_cast<unsigned>(in_b & 0xFFU);
            const __m256 added = _mm256_add_ps(spread(a, here_a), spread(b, here_b));
            _mm256_storeu_ps(sum, _mm256_permutevar8x32_ps(added, load(by_bits.of_values[here_a | here_b])));
            a += _mm_popcnt_u32(here_a);
            b += _mm_popcnt_u32(here_b);
            sum += _mm_popcnt_u32(here_a | here_b);
        }
    }
    left = {left.in_a.subspan(w),
            left.in_b.subspan(w),
            {a, a_end},
            {b, b_end},
            left.sum.last(static_cast<std::size_t>(sum_end - sum))};
    sum_words_plain(left);
}

} // namespace feddip::sparse

#endif
