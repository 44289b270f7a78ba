#include "privacy/fixed_point.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <type_traits>

namespace feddip::privacy {

namespace {

// The largest that a sum of words can come to.
double largest_sum(int fraction_bits, double limit, std::uint32_t clients, double noise) {
    const double scale = std::ldexp(1.0, fraction_bits);
    return clients * std::ceil(limit * scale) + std::ceil(40 * noise * scale);
}

} // namespace

template <typename Word>
requires std::same_as<Word, std::uint32_t> || std::same_as<Word, std::uint64_t>
bool fixed_point<Word>::fits(int fraction_bits, double limit, std::uint32_t clients, double noise) {
    return largest_sum(fraction_bits, limit, clients, noise) <
           std::ldexp(1.0, std::numeric_limits<Word>::digits - 1);
}

template <typename Word>
requires std::same_as<Word, std::uint32_t> || std::same_as<Word, std::uint64_t>
fixed_point<Word>::fixed_point(int fraction_bits, double limit, std::uint32_t clients, double noise)
    : fraction_bits_(fraction_bits), step_(std::ldexp(1.0, -fraction_bits)), limit_(limit) {
    if (!(limit > 0 && std::isfinite(limit) && noise >= 0 && std::isfinite(noise) && clients > 0 &&
          std::abs(fraction_bits) <= most_fraction_bits)) {
        throw input_error(
            fmt::format("no fixed-point values have {} fraction bits, limit {}, noise {} and {} clients",
                        fraction_bits, limit, noise, clients),
            "fixed point", "at most 62 bits, a limit above 0, finite numbers and a client are needed");
    }
    if (!fits(fraction_bits, limit, clients, noise)) {
        throw input_error(
            fmt::format("{} fraction bits leave no room in {}-bit words for the sum", fraction_bits,
                        std::numeric_limits<Word>::digits),
            "fixed point",
            fmt::format("{} clients with values up to {} and noise of {}: use fewer fraction bits or a "
                        "smaller clipping bound",
                        clients, limit, noise));
    }
    largest_sum_ = static_cast<std::int64_t>(largest_sum(fraction_bits, limit, clients, noise));
}

template <typename Word>
requires std::same_as<Word, std::uint32_t> || std::same_as<Word, std::uint64_t> fixed_point<Word>
fixed_point<Word>::finest(double limit, std::uint32_t clients, double noise) {
    int bits = most_fraction_bits;
    while (bits > -most_fraction_bits && !fits(bits, limit, clients, noise)) {
        --bits;
    }
    return fixed_point(bits, limit, clients, noise);
}

template <typename Word>
requires std::same_as<Word, std::uint32_t> || std::same_as<Word, std::uint64_t>
double fixed_point<Word>::longest(double bound, std::size_t values) const {
    return bound / step_ + std::sqrt(static_cast<double>(values)) / 2;
}

template <typename Word>
requires std::same_as<Word, std::uint32_t> || std::same_as<Word, std::uint64_t> std::size_t
fixed_point<Word>::encode(std::span<const float> values, std::span<Word> words)
const {
    assert(values.size() == words.size());
    std::size_t past = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double value = values[i];
        if (std::isnan(value)) {
            throw error("a value can't be encoded", "fixed point", "it is NaN: leave the update out");
        }
        past += std::abs(value) > limit_ ? 1 : 0;
        words[i] =
            static_cast<Word>(std::llrint(std::ldexp(std::clamp(value, -limit_, limit_), fraction_bits_)));
    }
    return past;
}

template <typename Word>
requires std::same_as<Word, std::uint32_t> || std::same_as<Word, std::uint64_t>
void fixed_point<Word>::decode(std::span<const Word> sums, std::span<double> values) const {
    assert(values.size() == sums.size());
    for (std::size_t i = 0; i < sums.size(); ++i) {
        const auto sum = static_cast<std::int64_t>(static_cast<std::make_signed_t<Word>>(sums[i]));
        if (sum > largest_sum_ || sum < -largest_sum_) {
            throw error(
                "a sum can't be decoded", "fixed point",
                fmt::format("{} steps are more than all clients together may send: one sent values past the "
                            "limit, or the words are damaged",
                            sum));
        }
        values[i] = static_cast<double>(sum) * step_;
    }
}

template class fixed_point<std::uint32_t>;
template class fixed_point<std::uint64_t>;

} // namespace feddip::privacy
