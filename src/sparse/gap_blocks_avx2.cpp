// The loops of gap_blocks.cpp, 8 lanes to a vector.
#include "sparse/block_kernels.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <cstring>

#define FEDDIP_AVX2 __attribute__((target("avx2,bmi,popcnt")))

namespace feddip::sparse {

namespace {

using permutation = std::array<std::uint32_t, 8>;

// By the set of lanes that need a word: the next words, in the order of the lanes; and the lanes' words, as
// the last of eight.
struct permutations {
    alignas(32) std::array<permutation, 256> to_lanes{};
    alignas(32) std::array<permutation, 256> to_end{};

    constexpr permutations() {
        for (unsigned set = 0; set < 256; ++set) {
            std::uint32_t rank = 0;
            const auto first = 8 - static_cast<unsigned>(std::popcount(set));
            for (std::uint32_t lane = 0; lane < 8; ++lane) {
                if ((set >> lane & 1U) != 0) {
                    to_lanes[set][lane] = rank;
                    to_end[set][first + rank] = lane;
                    ++rank;
                }
            }
        }
    }
};

constexpr permutations by_set;

FEDDIP_AVX2 inline __m256i load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

FEDDIP_AVX2 inline void store(void* to, __m256i v) {
    _mm256_storeu_si256(static_cast<__m256i*>(to), v);
}

FEDDIP_AVX2 inline __m256i gather(const std::uint32_t* table, __m256i index) {
    return _mm256_i32gather_epi32(reinterpret_cast<const int*>(table), index, 4);
}

FEDDIP_AVX2 inline unsigned set_of(__m256i lanes_chosen) {
    return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(lanes_chosen)));
}

// All of 8 offsets of at most 8 bits, side by side in one number.
FEDDIP_AVX2 inline std::uint64_t side_by_side(__m256i offsets, __m256i shifts) {
    const __m256i low = _mm256_sllv_epi64(_mm256_cvtepu32_epi64(_mm256_castsi256_si128(offsets)),
                                          _mm256_cvtepu32_epi64(_mm256_castsi256_si128(shifts)));
    const __m256i high = _mm256_sllv_epi64(_mm256_cvtepu32_epi64(_mm256_extracti128_si256(offsets, 1)),
                                           _mm256_cvtepu32_epi64(_mm256_extracti128_si256(shifts, 1)));
    const __m256i four = _mm256_or_si256(low, high);
    const __m128i two = _mm_or_si128(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(two)) |
           static_cast<std::uint64_t>(_mm_extract_epi64(two, 1));
}

void add_bits(std::byte* to, std::uint64_t bits) {
    std::uint64_t there = 0;
    std::memcpy(&there, to, sizeof there);
    there |= bits;
    std::memcpy(to, &there, sizeof there);
}

FEDDIP_AVX2 void encode(const encoding_table& table, block_encoding& block) {
    const unsigned offset_bits = table.offset_bits;
    if (offset_bits > 8) { // gaps of a thousand and more: there are few
        encode_plain(table, block);
        return;
    }
    // The last gaps, which are no whole step, go first.
    block_encoding last = block;
    const std::size_t whole = block.left / lanes * lanes;
    last.marks += whole;
    last.left -= whole;
    last.offsets += whole / 8 * offset_bits;
    encode_plain(table, last);
    block.states = last.states;
    block.words = last.words;
    block.beyond = std::move(last.beyond);

    const __m256i one = _mm256_set1_epi32(1);
    const __m256i bins = _mm256_set1_epi32(static_cast<int>(table.bins));
    const __m256i offset_mask = _mm256_set1_epi32((1 << offset_bits) - 1);
    const __m256i low_half = _mm256_set1_epi32(0xFFFF);
    const __m128i bin_shift = _mm_cvtsi32_si128(static_cast<int>(offset_bits));
    const __m256i shifts = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                              _mm256_set1_epi32(static_cast<int>(offset_bits)));
    __m256i states[2] = {load(block.states.data()), load(block.states.data() + 8)};
    std::byte* words = block.words;
    for (std::size_t step = whole; step > 0; step -= lanes) {
        for (std::size_t half = 2; half-- > 0;) {
            const std::size_t i = step - lanes + 8 * half;
            const std::uint32_t* const marks = block.marks + i;
            const __m256i gap = _mm256_sub_epi32(_mm256_sub_epi32(load(marks), load(marks - 1)), one);
            const __m256i all_bins = _mm256_srl_epi32(gap, bin_shift);
            const __m256i bin = _mm256_min_epu32(all_bins, bins);
            const unsigned beyond = set_of(_mm256_cmpeq_epi32(bin, bins));
            if (beyond != 0) [[unlikely]] {
                std::array<std::uint32_t, 8> bin_of{};
                store(bin_of.data(), all_bins);
                for (std::size_t lane = 8; lane-- > 0;) {
                    if ((beyond >> lane & 1U) != 0) {
                        block.beyond.push_back(bin_of[lane] - table.bins);
                    }
                }
            }
            add_bits(block.offsets + i / 8 * offset_bits,
                     side_by_side(_mm256_and_si256(gap, offset_mask), shifts));

            const __m256i reciprocal = gather(table.reciprocal.data(), bin);
            const __m256i range = gather(table.range.data(), bin);
            const __m256i frequency = _mm256_and_si256(range, low_half);
            const __m256i start = _mm256_srli_epi32(range, 16);
            __m256i state = states[half];
            const __m256i limit = _mm256_slli_epi32(frequency, 32 - block_model::precision);
            const __m256i full = _mm256_cmpeq_epi32(_mm256_max_epu32(state, limit), state);
            const unsigned set = set_of(full);
            const __m256i leaving = _mm256_and_si256(
                _mm256_permutevar8x32_epi32(state, load(by_set.to_end[set].data())), low_half);
            _mm_storeu_si128(
                reinterpret_cast<__m128i*>(words - 16),
                _mm_packus_epi32(_mm256_castsi256_si128(leaving), _mm256_extracti128_si256(leaving, 1)));
            words -= 2 * _mm_popcnt_u32(set);
            state = _mm256_blendv_epi8(state, _mm256_srli_epi32(state, state_word_bits), full);

            // The reciprocal is at most 1 too small, and so is the quotient.
            const __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(state, reciprocal), 32);
            const __m256i odd =
                _mm256_mul_epu32(_mm256_srli_epi64(state, 32), _mm256_srli_epi64(reciprocal, 32));
            const __m256i quotient = _mm256_blend_epi32(even, odd, 0xAA);
            const __m256i rest = _mm256_sub_epi32(state, _mm256_mullo_epi32(quotient, frequency));
            const __m256i right = _mm256_cmpgt_epi32(frequency, rest);
            const __m256i coded = _mm256_add_epi32(
                _mm256_slli_epi32(_mm256_add_epi32(quotient, _mm256_andnot_si256(right, one)),
                                  block_model::precision),
                _mm256_sub_epi32(rest, _mm256_andnot_si256(right, frequency)));
            states[half] = _mm256_add_epi32(coded, start);
        }
    }
    store(block.states.data(), states[0]);
    store(block.states.data() + 8, states[1]);
    block.words = words;
    block.left = 0;
}

// Where the lanes' offsets lie in 16 bytes that hold 8 of them.
struct offset_places {
    std::array<std::uint8_t, 32> bytes{};
    std::array<std::uint32_t, 8> shifts{};

    explicit offset_places(unsigned offset_bits) {
        for (unsigned lane = 0; lane < 8; ++lane) {
            for (unsigned i = 0; i < 4; ++i) {
                const unsigned byte = lane * offset_bits / 8 + i;
                bytes[4 * lane + i] = static_cast<std::uint8_t>(byte < 16 ? byte : 0x80); // 0x80: zeros
            }
            shifts[lane] = lane * offset_bits % 8;
        }
    }
};

FEDDIP_AVX2 inline __m256i sums_up_to(__m256i v) {
    v = _mm256_add_epi32(v, _mm256_slli_si256(v, 4));
    v = _mm256_add_epi32(v, _mm256_slli_si256(v, 8));
    const __m256i lower = _mm256_permutevar8x32_epi32(v, _mm256_set1_epi32(3));
    return _mm256_add_epi32(v, _mm256_blend_epi32(_mm256_setzero_si256(), lower, 0xF0));
}

FEDDIP_AVX2 void decode(const decoding_table& table, block_decoding& block) {
    const unsigned offset_bits = table.offset_bits;
    const offset_places places(offset_bits);
    const __m256i offset_bytes = load(places.bytes.data());
    const __m256i offset_shifts = load(places.shifts.data());
    const __m256i offset_mask = _mm256_set1_epi32((1 << offset_bits) - 1);
    const __m256i bins = _mm256_set1_epi32(static_cast<int>(table.bins));
    const __m256i low_12 = _mm256_set1_epi32(0xFFF);
    const __m128i bin_shift = _mm_cvtsi32_si128(static_cast<int>(offset_bits));
    __m256i states[2] = {load(block.states.data()), load(block.states.data() + 8)};
    __m256i last = _mm256_set1_epi32(static_cast<int>(block.last));
    alignas(32) std::array<std::uint32_t, lanes> marks;
    std::size_t next = block.next;
    const std::byte* words = block.words;
    const std::byte* offsets = block.offsets;
    std::uint64_t* const bits = block.bits;
    constexpr std::ptrdiff_t words_per_step = 2 * lanes;
    while (block.marks - next >= lanes && block.words_end - words >= words_per_step &&
           block.end - offsets >= std::ptrdiff_t{2} * offset_bits + 16) {
        for (std::size_t half = 0; half < 2; ++half) {
            const __m256i slot = gather(table.slots.data(), _mm256_and_si256(states[half], low_12));
            const __m256i state =
                _mm256_add_epi32(_mm256_mullo_epi32(_mm256_srli_epi32(states[half], block_model::precision),
                                                    _mm256_and_si256(slot, low_12)),
                                 _mm256_and_si256(_mm256_srli_epi32(slot, 12), low_12));
            const __m256i low =
                _mm256_cmpeq_epi32(_mm256_srli_epi32(state, state_word_bits), _mm256_setzero_si256());
            const unsigned set = set_of(low);
            const __m256i coming = _mm256_permutevar8x32_epi32(
                _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words))),
                load(by_set.to_lanes[set].data()));
            words += 2 * _mm_popcnt_u32(set);
            states[half] = _mm256_blendv_epi8(
                state, _mm256_or_si256(_mm256_slli_epi32(state, state_word_bits), coming), low);

            __m256i bin = _mm256_srli_epi32(slot, 24);
            const unsigned beyond = set_of(_mm256_cmpeq_epi32(bin, bins));
            if (beyond != 0) [[unlikely]] {
                std::array<std::uint32_t, 8> bin_of{};
                store(bin_of.data(), bin);
                for (std::size_t lane = 0; lane < 8; ++lane) {
                    bin_of[lane] += (beyond >> lane & 1U) != 0 ? take_beyond(block, offset_bits) : 0;
                }
                bin = load(bin_of.data());
            }
            const __m256i offset_of = _mm256_shuffle_epi8(
                _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(offsets))),
                offset_bytes);
            offsets += offset_bits;
            const __m256i gap =
                _mm256_or_si256(_mm256_sll_epi32(bin, bin_shift),
                                _mm256_and_si256(_mm256_srlv_epi32(offset_of, offset_shifts), offset_mask));
            const __m256i steps = sums_up_to(_mm256_add_epi32(gap, _mm256_set1_epi32(1)));
            store(marks.data() + 8 * half, _mm256_add_epi32(steps, last));
            last = _mm256_add_epi32(last, _mm256_permutevar8x32_epi32(steps, _mm256_set1_epi32(7)));
        }
        if (marks[lanes - 1] >= block.limit)
            [[unlikely]] { // and 16 gaps can't pass 2^32: most_block_positions
            refuse_positions("a position lies past the end of its layer");
        }
        for (const std::uint32_t mark : marks) {
            bits[mark / 64] ^= std::uint64_t{1} << mark % 64;
        }
        next += lanes;
    }
    store(block.states.data(), states[0]);
    store(block.states.data() + 8, states[1]);
    block.next = next;
    block.words = words;
    block.offsets = offsets;
    block.last = static_cast<std::uint32_t>(_mm256_extract_epi32(last, 0));
    decode_plain(table, block);
}

} // namespace

const block_kernels& avx2_block_kernels() {
    static constexpr block_kernels kernels{encode, decode};
    return kernels;
}

} // namespace feddip::sparse

#endif
