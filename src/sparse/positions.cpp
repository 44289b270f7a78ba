#include "sparse/positions.hpp"

#include <algorithm>
#include <bit>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace feddip::sparse {

namespace {

constexpr std::uint64_t all_ones = ~std::uint64_t{0};
constexpr std::size_t stretch = 64; // words that are taken to be alike

std::uint32_t* take_word(std::uint64_t bits, std::uint32_t base, std::uint32_t* into) {
    for (; bits != 0; bits &= bits - 1) {
        *into++ = base + static_cast<std::uint32_t>(std::countr_zero(bits));
    }
    return into;
}

std::uint32_t* take_words(std::span<const std::uint64_t> words, std::uint64_t flip, std::uint32_t base,
                          std::uint32_t* into) {
    for (const std::uint64_t word : words) {
        into = take_word(word ^ flip, base, into);
        base += 64;
    }
    return into;
}

#if defined(__x86_64__)

// Writes `few` numbers in any case: whether there is another can't be foreseen, and a branch guessed wrongly
// is dear.
template <std::size_t few>
__attribute__((target("bmi,popcnt"))) std::uint32_t* take_words_bmi(std::span<const std::uint64_t> words,
                                                                    std::uint64_t flip, std::uint32_t base,
                                                                    std::uint32_t* into) {
    for (const std::uint64_t word : words) {
        std::uint64_t bits = word ^ flip;
        std::uint32_t* const next = into + _mm_popcnt_u64(bits);
        for (std::size_t i = 0; i < few; ++i, bits = _blsr_u64(bits)) {
            into[i] = base + static_cast<std::uint32_t>(_tzcnt_u64(bits));
        }
        for (into += few; into < next; ++into, bits = _blsr_u64(bits)) {
            *into = base + static_cast<std::uint32_t>(_tzcnt_u64(bits));
        }
        into = next;
        base += 64;
    }
    return into;
}

bool has_bmi() {
    static const bool has = __builtin_cpu_supports("bmi") != 0 && __builtin_cpu_supports("popcnt") != 0;
    return has;
}

#endif

std::uint32_t* take_words(std::span<const std::uint64_t> words, std::uint64_t flip, std::uint32_t base,
                          std::size_t per_word, std::uint32_t* into) {
#if defined(__x86_64__)
    if (has_bmi()) {
        return per_word <= 1   ? take_words_bmi<2>(words, flip, base, into)
               : per_word <= 2 ? take_words_bmi<4>(words, flip, base, into)
               : per_word <= 4 ? take_words_bmi<6>(words, flip, base, into)
               : per_word <= 8 ? take_words_bmi<10>(words, flip, base, into)
               : per_word < 16 ? take_words_bmi<18>(words, flip, base, into)
                               : take_words_bmi<32>(words, flip, base, into);
    }
#endif
    static_cast<void>(per_word);
    return take_words(words, flip, base, into);
}

} // namespace

position_stream::position_stream(std::span<const std::uint64_t> words, std::size_t first, std::size_t size,
                                 bool wanted)
    : words_(words.data() + first / 64), count_((first % 64 + size + 63) / 64), flip_(wanted ? 0 : all_ones),
      shift_(static_cast<std::uint32_t>(first % 64)) {
    if (size == 0) {
        count_ = 0;
        return;
    }
    first_valid_ = all_ones << shift_;
    last_valid_ = all_ones >> (64 * count_ - shift_ - size);
}

std::uint64_t position_stream::word(std::size_t w) const {
    return (words_[w] ^ flip_) & (w == 0 ? first_valid_ : all_ones) &
           (w + 1 == count_ ? last_valid_ : all_ones);
}

std::size_t position_stream::take(std::span<std::uint32_t> into, std::size_t most_words) {
    std::uint32_t* next = into.data();
    std::uint32_t* const end = next + into.size();
    const std::size_t stop = next_ + std::min(most_words, count_ - next_);
    const std::size_t first_whole = first_valid_ == all_ones ? 0 : 1;
    const std::size_t whole_end = last_valid_ == all_ones ? count_ : count_ - 1;
    while (next_ < stop && end - next >= static_cast<std::ptrdiff_t>(least_room)) {
        const std::uint32_t base = static_cast<std::uint32_t>(64 * next_) - shift_; // may wrap: the sum won't
        if (next_ < first_whole || next_ >= whole_end) {
            next = take_word(word(next_++), base, next);
            continue;
        }
        const std::size_t words = std::min(
            {stretch, std::min(stop, whole_end) - next_, static_cast<std::size_t>(end - next) / least_room});
        std::uint32_t* const before = next;
        next = take_words(std::span(words_ + next_, words), flip_, base, per_word_, next);
        per_word_ = (static_cast<std::size_t>(next - before) + words - 1) / words;
        next_ += words;
    }
    return static_cast<std::size_t>(next - into.data());
}

} // namespace feddip::sparse
