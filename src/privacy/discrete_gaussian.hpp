// Gaussian noise on whole numbers, without rounding anywhere: Canonne, Kamath, Steinke 2020, "The discrete
// Gaussian for differential privacy", algorithms 1 to 3.
#pragma once

#include "privacy/key_stream.hpp"

#include <cstdint>
#include <span>

namespace feddip::privacy {

// x with probability proportional to exp(-x^2 / (2 variance)), from whole-number arithmetic on uniform bits
// alone, so that the distribution is the stated one. `variance` is in 1 .. 2^48. It costs what
// discrete_divergences (renyi.hpp) say of sums of whole numbers. How long a draw takes depends on the noise,
// not on what it is added to.
class discrete_gaussian {
public:
    // The smallest variance that gives at least this standard deviation. Throws feddip::input_error unless
    // the deviation, in units of the grid, is above 0 and at most 2^24: for more choose coarser values.
    explicit discrete_gaussian(double deviation);

    std::uint64_t variance() const { return variance_; }
    std::int64_t operator()(key_stream& stream) const;

private:
    std::uint64_t variance_;
    std::uint64_t scale_; // floor(deviation) + 1: of the discrete Laplace distribution that is thinned out
};

// Adds a draw to each word, modulo 2^32 or 2^64.
template <typename Word>
void add_discrete_gaussian(key_stream& stream, const discrete_gaussian& noise, std::span<Word> words);

} // namespace feddip::privacy
