#include "privacy/clipping.hpp"

#include "base/error.hpp"
#include "base/floats.hpp"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <numeric>

namespace feddip::privacy {

namespace {

std::size_t values_in(std::span<const std::span<float>> parts) {
    return std::transform_reduce(parts.begin(), parts.end(), std::size_t{0}, std::plus(),
                                 [](std::span<float> part) { return part.size(); });
}

} // namespace

double l2_norm(std::span<const std::span<float>> parts) {
    double squares = 0;
    for (const auto part : parts) {
        squares += squared_norm(part);
    }
    return std::sqrt(squares);
}

clipped clip(std::span<const std::span<float>> parts, double bound) {
    if (!(bound > 0 && std::isfinite(bound))) {
        throw input_error(fmt::format("updates can't be clipped to {}", bound), "clipping",
                          "the bound of their norm is above 0");
    }
    const double norm = l2_norm(parts);
    if (!std::isfinite(norm)) {
        throw error("an update can't be clipped", "clipping", "it has NaN or infinite values: leave it out");
    }
    // The squares of floats are exact; each addition of two may lose 2^-53 of the sum, and the root as much.
    const double rounding = static_cast<double>(values_in(parts) + 4) * 0x1p-53;
    if (norm <= bound * (1 - rounding)) {
        return {norm, true};
    }
    const double factor = bound / norm * (1 - 0x1p-20); // more than what rounding to float adds
    for (const auto part : parts) {
        for (float& value : part) {
            value = static_cast<float>(value * factor);
        }
    }
    return {norm, norm <= bound};
}

double adaptive_clipping::next(std::uint64_t within, std::uint64_t took_part, double expected,
                               key_stream& stream) const {
    if (!(expected > 0) || within > took_part) {
        throw input_error(
            fmt::format("{} of {} clients, {} expected, give no share", within, took_part, expected),
            "adaptive clipping", "give the number of clients that the sampling aims at");
    }
    const double count = static_cast<double>(within) - static_cast<double>(took_part) / 2;
    const double share = 0.5 + (count + gaussian(stream, count_noise)) / expected;
    return bound * std::exp(-rate * (share - quantile));
}

double noise_multiplier_beside_count(double noise_multiplier, double count_noise) {
    if (count_noise == 0) {
        return noise_multiplier;
    }
    const double left = 1 / (noise_multiplier * noise_multiplier) - 1 / (4 * count_noise * count_noise);
    if (!(noise_multiplier > 0 && count_noise > 0 && left > 0)) {
        throw input_error(
            fmt::format("counts with noise of {} clients can't cost less than a noise multiplier of {}",
                        count_noise, noise_multiplier),
            "adaptive clipping", "their noise must be more than half the multiplier");
    }
    return 1 / std::sqrt(left);
}

} // namespace feddip::privacy
