#include "base/random.hpp"

#include <Random123/philox.h>

#include <numbers>

namespace feddip {

random_stream::random_stream(std::uint64_t seed, std::uint32_t round, std::uint32_t client, purpose what)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      counter_{0, static_cast<std::uint32_t>(what), client, round} {}

void random_stream::refill() {
    r123::Philox4x32::ctr_type counter{{counter_[0], counter_[1], counter_[2], counter_[3]}};
    r123::Philox4x32::key_type key{{key_[0], key_[1]}};
    auto drawn = r123::Philox4x32{}(counter, key);
    for (std::size_t i = 0; i < block_.size(); ++i) {
        block_[i] = drawn[i];
    }
    ++counter_[0];
    used_ = 0;
}

double random_stream::uniform_double() {
    std::uint64_t high = (*this)();
    std::uint64_t low = (*this)();
    return static_cast<double>(((high << 32) | low) >> 11) * 0x1p-53;
}

std::uint32_t random_stream::below(std::uint32_t bound) {
    // Lemire 2019: multiply, and reject the few values that would favour small results.
    std::uint64_t product = std::uint64_t{(*this)()} * bound;
    if (static_cast<std::uint32_t>(product) < bound) {
        const std::uint32_t threshold = (0U - bound) % bound;
        while (static_cast<std::uint32_t>(product) < threshold) {
            product = std::uint64_t{(*this)()} * bound;
        }
    }
    return static_cast<std::uint32_t>(product >> 32);
}

double random_stream::normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform_double()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform_double());
}

double random_stream::gamma(double shape) {
    if (shape < 1.0) {
        const double boosted = gamma(shape + 1.0);
        return boosted * std::pow(1.0 - uniform_double(), 1.0 / shape);
    }
    const double d = shape - 1.0 / 3.0;
    const double c = 1.0 / std::sqrt(9.0 * d);
    while (true) {
        const double x = normal();
        const double v = std::pow(1.0 + c * x, 3);
        if (v > 0 && std::log(1.0 - uniform_double()) < 0.5 * x * x + d - d * v + d * std::log(v)) {
            return d * v;
        }
    }
}

} // namespace feddip
