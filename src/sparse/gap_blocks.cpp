#include "sparse/gap_blocks.hpp"

#include "base/error.hpp"
#include "sparse/block_kernels.hpp"
#include "sparse/gap_coder.hpp"
#include "sparse/positions.hpp"
#include "sparse/varint.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

namespace feddip::sparse {

static_assert(std::endian::native == std::endian::little, "words are coded as they lie in memory");

namespace {

constexpr std::size_t most_marks = std::size_t{1} << 18; // of a block
constexpr std::size_t slack = 16; // bytes that may be written, or marks that may be read, past the end

std::size_t offset_bytes(std::size_t marks, unsigned offset_bits) {
    return (marks * offset_bits + 7) / 8;
}

template <typename T>
T load(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <typename T>
void store(std::byte* to, T value) {
    std::memcpy(to, &value, sizeof value);
}

void put(std::vector<std::byte>& bytes, const std::byte* from, std::size_t length) {
    bytes.insert(bytes.end(), from, from + length);
}

} // namespace

block_model::block_model(std::uint64_t positions, std::uint64_t marked) {
    const gap_bins width(positions, marked);
    offset_bits_ = width.offset_bits;
    // Bins up to where 1 of 2^11 gaps lies beyond; each gets its share, and 2^-12 at least.
    constexpr std::uint64_t total = std::uint64_t{1} << precision;
    const auto scaled = [](std::uint64_t share) { // rounded
        return static_cast<std::uint32_t>((total * share + gap_bins::one / 2) / gap_bins::one);
    };
    std::uint64_t beyond = gap_bins::one;
    while (bins_ < most_bins && beyond > gap_bins::one >> 11) {
        beyond = beyond * width.pass >> 32;
        ++bins_;
        start_[bins_] = std::max(scaled(gap_bins::one - beyond), start_[bins_ - 1] + 1);
    }
    start_[bins_ + 1] = total;
    for (unsigned bin = bins_; start_[bin] >= start_[bin + 1]; --bin) {
        start_[bin] = start_[bin + 1] - 1;
    }
}

encoding_table::encoding_table(const block_model& model)
    : offset_bits(model.offset_bits()), bins(model.bins()) {
    for (unsigned bin = 0; bin <= bins; ++bin) {
        const std::uint64_t frequency = model.frequency(bin);
        reciprocal[bin] = static_cast<std::uint32_t>(
            std::min((std::uint64_t{1} << 32) / frequency, (std::uint64_t{1} << 32) - 1));
        range[bin] = model.frequency(bin) | model.start(bin) << 16;
    }
}

decoding_table::decoding_table(const block_model& model)
    : offset_bits(model.offset_bits()), bins(model.bins()) {
    for (std::uint32_t bin = 0; bin <= bins; ++bin) {
        for (std::uint32_t i = 0; i < model.frequency(bin); ++i) {
            slots[model.start(bin) + i] = model.frequency(bin) | i << 12 | bin << 24;
        }
    }
}

void encode_plain(const encoding_table& table, block_encoding& block) {
    const std::uint32_t offset_mask = (std::uint32_t{1} << table.offset_bits) - 1;
    for (std::size_t i = block.left; i-- > 0;) {
        const std::uint32_t gap = block.marks[i] - block.marks[static_cast<std::ptrdiff_t>(i) - 1] - 1;
        std::uint32_t bin = gap >> table.offset_bits;
        if (bin >= table.bins) {
            block.beyond.push_back(bin - table.bins);
            bin = table.bins;
        }
        const std::size_t bit = i * table.offset_bits;
        std::byte* const at = block.offsets + bit / 8;
        store(at, load<std::uint32_t>(at) | (gap & offset_mask) << bit % 8);

        const std::uint32_t frequency = table.range[bin] & 0xFFFFU;
        std::uint32_t& state = block.states[i % lanes];
        if (state >= frequency << (32 - block_model::precision)) {
            block.words -= 2;
            store(block.words, static_cast<std::uint16_t>(state));
            state >>= state_word_bits;
        }
        state = (state / frequency << block_model::precision) + state % frequency + (table.range[bin] >> 16);
    }
    block.left = 0;
}

std::uint32_t take_beyond(block_decoding& block, unsigned offset_bits) {
    const std::uint64_t bins = take_varint(block.beyond, refuse_positions);
    if (bins > block.limit >> offset_bits) {
        refuse_positions("a position lies past the end of its layer");
    }
    return static_cast<std::uint32_t>(bins);
}

void decode_plain(const decoding_table& table, block_decoding& block) {
    const std::uint32_t offset_mask = (std::uint32_t{1} << table.offset_bits) - 1;
    std::size_t bit = 0;
    for (; block.next < block.marks; ++block.next) {
        std::uint32_t& state = block.states[block.next % lanes];
        const std::uint32_t slot = table.slots[state & 0xFFFU];
        state = (slot & 0xFFFU) * (state >> block_model::precision) + (slot >> 12 & 0xFFFU);
        if (state < lowest_state) {
            if (block.words == block.words_end) {
                refuse_positions("it ends too early");
            }
            state = state << state_word_bits | load<std::uint16_t>(block.words);
            block.words += 2;
        }
        std::uint32_t bin = slot >> 24;
        if (bin == table.bins) {
            bin += take_beyond(block, table.offset_bits);
        }
        std::uint32_t offset = 0;
        std::memcpy(&offset, block.offsets + bit / 8, (bit % 8 + table.offset_bits + 7) / 8);
        offset = offset >> bit % 8 & offset_mask;
        bit += table.offset_bits;

        const std::uint32_t mark = block.last + 1 + (bin << table.offset_bits | offset);
        if (mark >= block.limit) {
            refuse_positions("a position lies past the end of its layer");
        }
        block.bits[mark / 64] ^= std::uint64_t{1} << mark % 64;
        block.last = mark;
    }
}

const block_kernels& plain_block_kernels() {
    static constexpr block_kernels kernels{encode_plain, decode_plain};
    return kernels;
}

const block_kernels& best_block_kernels() {
#if defined(__x86_64__)
    static const block_kernels& best =
        __builtin_cpu_supports("avx2") != 0 ? avx2_block_kernels() : plain_block_kernels();
    return best;
#else
    return plain_block_kernels();
#endif
}

void refuse_positions(std::string_view why) {
    throw error("a coded mask can't be read", "decoding", why);
}

void put_blocks(std::span<const std::uint64_t> words, std::size_t first, std::size_t positions, bool wanted,
                std::size_t marked, std::vector<std::byte>& bytes, const block_kernels& kernels) {
    const encoding_table table(block_model(positions, marked));
    position_stream stream(words, first, positions, wanted);
    const std::size_t blocks = (marked + most_marks - 1) / most_marks;
    const std::size_t largest = (marked + blocks - 1) / blocks;
    const std::size_t most_found = largest + 2 * position_stream::least_room;
    const auto marks =
        std::make_unique_for_overwrite<std::uint32_t[]>(1 + most_found); // [0]: the mark before
    const std::size_t word_room = 2 * largest + slack;
    const auto coded_words = std::make_unique_for_overwrite<std::byte[]>(word_room);
    std::byte* const words_end = coded_words.get() + word_room;
    std::vector<std::byte> offsets(offset_bytes(largest, table.offset_bits) + slack);
    std::vector<std::byte> beyond;
    marks[0] = ~std::uint32_t{0};
    std::size_t found = 0; // marks that lie in the buffer
    for (std::size_t i = 0; i < blocks; ++i) {
        const std::size_t length = marked * (i + 1) / blocks - marked * i / blocks;
        while (found < length) { // there are `marked` of them
            found += stream.take(std::span(marks.get() + 1, most_found).subspan(found));
        }
        std::ranges::fill(offsets, std::byte{0});
        block_encoding block{marks.get() + 1, length, {}, words_end, offsets.data(), {}};
        block.states.fill(lowest_state);
        kernels.encode(table, block);

        beyond.clear();
        for (auto bins = block.beyond.rbegin(); bins != block.beyond.rend(); ++bins) {
            put_varint(beyond, *bins);
        }
        const auto word_bytes = static_cast<std::size_t>(words_end - block.words);
        put_varint(bytes, word_bytes / 2);
        put_varint(bytes, beyond.size());
        put(bytes, reinterpret_cast<const std::byte*>(block.states.data()), sizeof block.states);
        put(bytes, block.words, word_bytes);
        put(bytes, offsets.data(), offset_bytes(length, table.offset_bits));
        put(bytes, beyond.data(), beyond.size());

        std::copy(&marks[length], &marks[1 + found], &marks[0]);
        found -= length;
    }
}

std::span<const std::byte> take_blocks(std::span<const std::byte> bytes, std::span<std::uint64_t> words,
                                       std::size_t first, std::size_t positions, std::size_t marked,
                                       const block_kernels& kernels) {
    const decoding_table table(block_model(positions, marked));
    const auto shift = static_cast<std::uint32_t>(first % 64);
    std::uint32_t last = shift - 1;
    const std::size_t blocks = (marked + most_marks - 1) / most_marks;
    for (std::size_t i = 0; i < blocks; ++i) {
        const std::size_t length = marked * (i + 1) / blocks - marked * i / blocks;
        const std::uint64_t word_count = take_varint(bytes, refuse_positions);
        const std::uint64_t beyond_length = take_varint(bytes, refuse_positions);
        block_decoding block{};
        const std::size_t offset_length = offset_bytes(length, table.offset_bits);
        if (word_count > bytes.size() || beyond_length > bytes.size() ||
            sizeof block.states + 2 * word_count + offset_length + beyond_length > bytes.size()) {
            refuse_positions("it ends too early");
        }
        block.marks = length;
        std::memcpy(block.states.data(), bytes.data(), sizeof block.states);
        block.words = bytes.data() + sizeof block.states;
        block.words_end = block.words + 2 * word_count;
        block.offsets = block.words_end;
        block.end = bytes.data() + bytes.size();
        block.beyond = bytes.subspan(sizeof block.states + 2 * word_count + offset_length, beyond_length);
        block.last = last;
        block.limit = shift + static_cast<std::uint32_t>(positions);
        block.bits = words.data() + first / 64;
        bytes = bytes.subspan(sizeof block.states + 2 * word_count + offset_length + beyond_length);

        kernels.decode(table, block);
        last = block.last;
        const bool all_lowest =
            std::ranges::all_of(block.states, [](std::uint32_t state) { return state == lowest_state; });
        const std::size_t bits_in_last = length * table.offset_bits % 8;
        const bool zeros_behind =
            bits_in_last == 0 ||
            std::to_integer<unsigned>(block.words_end[offset_length - 1]) >> bits_in_last == 0;
        if (block.words != block.words_end || !block.beyond.empty() || !all_lowest || !zeros_behind) {
            refuse_positions("it does not end where its positions do");
        }
    }
    return bytes;
}

} // namespace feddip::sparse
