// Entropy coding of many gaps: that of gap_coder.hpp, in a form that lets a processor work on 16 gaps at
// once. Gap i of a block belongs to lane i % 16, and each lane has a coder of its own (Giesen 2014,
// "Interleaved entropy coders"); all take their words from one stream. What a gap has beyond its bin is not
// coded, but stored.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::sparse {

// The distribution of the gaps when `marked` of `positions` are marked, 0 < marked <= positions / 2, as
// integers that are the same on every machine. A gap is (bin, offset in the bin), the bin at most a quarter
// of the gaps wide. A gap beyond the bins is coded as the bin after them and as the number of bins that it
// lies beyond.
class block_model {
public:
    static constexpr unsigned precision = 12; // probabilities are multiples of 2^-12
    static constexpr unsigned most_bins = 48;

    block_model(std::uint64_t positions, std::uint64_t marked);

    unsigned offset_bits() const { return offset_bits_; }
    unsigned bins() const { return bins_; }
    std::uint32_t start(unsigned bin) const { return start_[bin]; }
    std::uint32_t frequency(unsigned bin) const { return start_[bin + 1] - start_[bin]; }

private:
    unsigned offset_bits_;
    unsigned bins_ = 0; // without the one after them
    std::array<std::uint32_t, most_bins + 2> start_{};
};

// The marks of a population: the bits [first, first + positions) of `words` that are `wanted`. They are coded
// in blocks of at most 2^18, of equal length within one. A block, all numbers little-endian:
//   varint     words
//   varint     bytes of the numbers at its end
//   16 u32     the lanes' states
//   u16 ...    words: where a state falls below 2^16, it takes the next one; lanes in turn
//   bits ...   the offsets, offset_bits each, in the order of the gaps; then zeros up to a whole byte
//   varint ... of each gap beyond the bins, how many bins it lies beyond
// The first gap of a block is that after the last mark before it.

// The inner loops: plain ones, and for the processors that have AVX2. They make and take the same bytes.
struct block_kernels;
const block_kernels& plain_block_kernels();
const block_kernels& best_block_kernels();

constexpr std::uint64_t most_block_positions = std::uint64_t{1} << 27; // so that 16 gaps fit 32 bits

// Appends the blocks of a population with 0 < marked <= positions / 2 marks.
void put_blocks(std::span<const std::uint64_t> words, std::size_t first, std::size_t positions, bool wanted,
                std::size_t marked, std::vector<std::byte>& bytes,
                const block_kernels& kernels = best_block_kernels());

// Flips the bits [first, first + positions) of `words` that are marked; returns the bytes behind the blocks.
// Throws feddip::error for bytes that put_blocks has not made for a population like this, as far as that can
// be known.
[[nodiscard]] std::span<const std::byte> take_blocks(std::span<const std::byte> bytes,
                                                     std::span<std::uint64_t> words, std::size_t first,
                                                     std::size_t positions, std::size_t marked,
                                                     const block_kernels& kernels = best_block_kernels());

} // namespace feddip::sparse
