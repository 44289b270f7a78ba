#include "privacy/noise.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

namespace feddip::privacy {

double gaussian(key_stream& stream, double deviation) {
    if (!(deviation >= 0 && std::isfinite(deviation))) {
        throw input_error(fmt::format("noise can't have a standard deviation of {}", deviation),
                          "private noise", "it is 0 or more");
    }
    double sum = 0;
    for (int i = 0; i < 4; ++i) { // Box and Muller 1958
        const double radius = std::sqrt(-2 * std::log(stream.uniform()));
        sum += radius * std::cos(2 * std::numbers::pi * stream.uniform());
    }
    return deviation * sum / 2;
}

void add_gaussian(key_stream& stream, double deviation, std::span<float> values) {
    for (float& value : values) {
        value = static_cast<float>(value + gaussian(stream, deviation));
    }
}

} // namespace feddip::privacy
