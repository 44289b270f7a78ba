// What gap_blocks.cpp shares with the loops for single instruction sets.
#pragma once

#include "sparse/gap_blocks.hpp"

#include <string_view>

namespace feddip::sparse {

inline constexpr std::size_t lanes = 16;
inline constexpr std::uint32_t lowest_state = std::uint32_t{1} << 16; // between symbols
inline constexpr unsigned state_word_bits = 16;

// A bin as encoding needs it, by number: arrays, because a processor fetches from arrays for many lanes at
// once.
struct encoding_table {
    explicit encoding_table(const block_model& model);

    unsigned offset_bits, bins;
    std::array<std::uint32_t, block_model::most_bins + 1> reciprocal{}; // 2^32 / frequency, rounded down
    std::array<std::uint32_t, block_model::most_bins + 1> range{}; // frequency, and start in the upper half
};

struct block_encoding {
    const std::uint32_t* marks; // ascending; marks[-1] is the mark before the block, or -1
    std::size_t left;           // marks that are not coded yet, from the first one on
    std::array<std::uint32_t, lanes> states;
    std::byte* words;   // written downwards, in front of here; room for a word of each mark and 8 more
    std::byte* offsets; // zeros, for all marks and 8 bytes more
    std::vector<std::uint32_t> beyond; // last to first
};

// For each of the 2^12 values that the lowest bits of a state can have: frequency of the bin (12 bits),
// distance from the bin's start (12 bits), bin.
struct decoding_table {
    explicit decoding_table(const block_model& model);

    unsigned offset_bits, bins;
    std::array<std::uint32_t, std::size_t{1} << block_model::precision> slots{};
};

struct block_decoding {
    std::size_t marks;
    std::size_t next; // mark
    std::array<std::uint32_t, lanes> states;
    const std::byte* words;
    const std::byte* words_end;
    const std::byte* offsets;
    const std::byte* end; // up to here may be read
    std::span<const std::byte> beyond;
    std::uint32_t last;  // mark before the next one, or -1, counted from bits[0]
    std::uint32_t limit; // marks lie below
    std::uint64_t* bits; // where they are flipped
};

struct block_kernels {
    // Codes all that is left.
    void (*encode)(const encoding_table&, block_encoding&);
    // Decodes all marks from `next` on.
    void (*decode)(const decoding_table&, block_decoding&);
};

void encode_plain(const encoding_table& table, block_encoding& block);
void decode_plain(const decoding_table& table, block_decoding& block);
#if defined(__x86_64__)
const block_kernels& avx2_block_kernels();
#endif

// How many bins the next gap lies beyond the last one.
std::uint32_t take_beyond(block_decoding& block, unsigned offset_bits);

[[noreturn]] void refuse_positions(std::string_view why);

} // namespace feddip::sparse
