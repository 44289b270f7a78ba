// Values as whole numbers modulo 2^32 or 2^64, whose sums are exact and don't depend on an order.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace feddip::privacy {

// A value v is the word round(v 2^fraction_bits) modulo 2^b, b = 32 or 64, negative ones as their two's
// complement. |v| <= limit, and the words of `clients` such values, with noise of 40 standard deviations on
// top, add up to less than 2^(b - 1), so that a sum can be read back.
template <typename Word>
requires std::same_as<Word, std::uint32_t> || std::same_as<Word, std::uint64_t>
class fixed_point {
public:
    static constexpr int most_fraction_bits = 62; // and least: -62

    // Of standard deviation `noise`, in the units of the values. Throws feddip::input_error where the sum
    // could overflow, naming what fits, and for a limit or noise that is no finite number from 0.
    fixed_point(int fraction_bits, double limit, std::uint32_t clients, double noise = 0);
    // With the most fraction bits that leave room for the sum.
    static fixed_point finest(double limit, std::uint32_t clients, double noise = 0);
    // Whether there is room for the sum.
    static bool fits(int fraction_bits, double limit, std::uint32_t clients, double noise);

    int fraction_bits() const { return fraction_bits_; }
    double step() const { return step_; } // 2^-fraction_bits
    double limit() const { return limit_; }

    // An update of `values` values with a norm of at most `bound` becomes words with a norm of at most this,
    // in steps: bound / step + sqrt(values) / 2, since rounding moves each value by half a step at most. What
    // one client can change the sum by, so that discrete noise has the noise multiplier times it as its
    // standard deviation.
    double longest(double bound, std::size_t values) const;

    // Rounds to the nearest step, ties to even. Values past the limit become the limit; returns how many
    // were. Throws feddip::error for NaN. `words` is as long as `values`.
    std::size_t encode(std::span<const float> values, std::span<Word> words) const;
    // Throws feddip::error where a word is none that the sum of `clients` values and the noise could have
    // come to.
    void decode(std::span<const Word> sums, std::span<double> values) const;

private:
    int fraction_bits_;
    double step_, limit_;
    std::int64_t largest_sum_; // of words
};

using fixed_point_32 = fixed_point<std::uint32_t>;
using fixed_point_64 = fixed_point<std::uint64_t>;

} // namespace feddip::privacy
