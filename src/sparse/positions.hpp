// The set bits of a bitmap as numbers, many at a time: looking for one bit after another costs more than what
// is done with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace feddip::sparse {

class position_stream {
public:
    static constexpr std::size_t least_room = 64;
    static constexpr std::size_t most_positions = std::size_t{1} << 31;

    // The positions i of [0, size) where bit first + i of `words` is `wanted`, in ascending order. size <=
    // 2^31.
    position_stream(std::span<const std::uint64_t> words, std::size_t first, std::size_t size,
                    bool wanted = true);

    // The next ones, and how many. Fills `into` but for less than least_room, which it must at least have;
    // what lies past those counted may change. 0 only after the last.
    std::size_t take(std::span<std::uint32_t> into) { return take(into, ~std::size_t{0}); }
    // The same within the next `most_words` words.
    std::size_t take(std::span<std::uint32_t> into, std::size_t most_words);

private:
    std::uint64_t word(std::size_t w) const;

    const std::uint64_t* words_; // from the one that holds bit `first`
    std::size_t count_;          // of words
    std::uint64_t flip_;
    std::uint64_t first_valid_ = 0, last_valid_ = 0; // bits of the outer words that belong to the range
    std::uint32_t shift_;                            // of the range in its first word
    std::size_t next_ = 0;                           // word
    std::size_t per_word_ = 4;                       // found last in a word, rounded up
};

} // namespace feddip::sparse
