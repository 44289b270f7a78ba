#include "privacy/discrete_gaussian.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>

namespace feddip::privacy {

namespace {

__extension__ using wide = unsigned __int128;

// Uniform over 0 .. bound - 1; `bound` > 0.
std::uint64_t below(key_stream& stream, std::uint64_t bound) {
    const int unused = std::countl_zero((bound - 1) | 1);
    while (true) {
        const std::uint64_t drawn = stream() >> unused;
        if (drawn < bound) {
            return drawn;
        }
    }
}

// True with probability numerator / denominator, for 0 <= numerator <= denominator, 0 < denominator < 2^127:
// compares a uniform real with it, digit by digit in base 256, for as long as they agree.
bool bernoulli(key_stream& stream, wide numerator, wide denominator) {
    if (numerator >= denominator) {
        return true;
    }
    while (true) {
        const std::uint64_t drawn = stream();
        for (int shift = 56; shift >= 0; shift -= 8) {
            unsigned digit = 0; // of the fraction, by long division
            for (int bit = 0; bit < 8; ++bit) {
                numerator <<= 1;
                digit <<= 1;
                if (numerator >= denominator) {
                    numerator -= denominator;
                    digit |= 1U;
                }
            }
            const auto drawn_digit = static_cast<unsigned>((drawn >> shift) & 0xFFU);
            if (drawn_digit != digit) {
                return drawn_digit < digit;
            }
        }
    }
}

// True with probability exp(-numerator / denominator), for a fraction of at most 1 (algorithm 1).
bool bernoulli_exp_of_share(key_stream& stream, wide numerator, wide denominator) {
    std::uint64_t k = 1;
    while (bernoulli(stream, numerator, denominator * k)) {
        ++k;
    }
    return k % 2 == 1;
}

bool bernoulli_exp(key_stream& stream, wide numerator, wide denominator) {
    for (; numerator > denominator; numerator -= denominator) {
        if (!bernoulli_exp_of_share(stream, 1, 1)) {
            return false;
        }
    }
    return bernoulli_exp_of_share(stream, numerator, denominator);
}

} // namespace

discrete_gaussian::discrete_gaussian(double deviation) {
    if (!(deviation > 0 && deviation <= 0x1p24)) {
        throw input_error(
            fmt::format("discrete noise can't have a standard deviation of {} units", deviation),
            "private noise", "it is above 0 and at most 2^24: choose coarser fixed-point values");
    }
    variance_ = static_cast<std::uint64_t>(std::ceil(deviation * deviation));
    scale_ = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(variance_))) + 1;
}

std::int64_t discrete_gaussian::operator()(key_stream& stream) const {
    while (true) {
        const std::uint64_t rest =
            below(stream, scale_); // algorithm 2: |x| of a discrete Laplace distribution
        if (!bernoulli_exp_of_share(stream, rest, scale_)) {
            continue;
        }
        std::uint64_t multiple = 0;
        while (bernoulli_exp_of_share(stream, 1, 1)) {
            ++multiple;
        }
        const bool negative = (stream() & 1U) != 0;
        const std::uint64_t size = rest + scale_ * multiple;
        if (negative && size == 0) {
            continue;
        }
        // Algorithm 3: kept with probability exp(-(|x| - variance / scale)^2 / (2 variance)).
        const wide scaled = static_cast<wide>(size) * scale_;
        const wide distance = scaled > variance_ ? scaled - variance_ : variance_ - scaled;
        if (bernoulli_exp(stream, distance * distance, static_cast<wide>(2) * variance_ * scale_ * scale_)) {
            return negative ? -static_cast<std::int64_t>(size) : static_cast<std::int64_t>(size);
        }
    }
}

template <typename Word>
void add_discrete_gaussian(key_stream& stream, const discrete_gaussian& noise, std::span<Word> words) {
    for (Word& word : words) {
        word += static_cast<Word>(noise(stream));
    }
}

template void add_discrete_gaussian(key_stream&, const discrete_gaussian&, std::span<std::uint32_t>);
template void add_discrete_gaussian(key_stream&, const discrete_gaussian&, std::span<std::uint64_t>);

} // namespace feddip::privacy
