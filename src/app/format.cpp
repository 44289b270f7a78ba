#include "app/format.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

namespace feddip::app {

namespace {

// Three significant digits and the largest unit of 1000 that leaves at least 1.
std::string scaled(double value, const std::array<std::string_view, 6>& units) {
    std::size_t unit = 0;
    while (std::abs(value) >= 999.5 && unit + 1 < units.size()) {
        value /= 1000;
        ++unit;
    }
    if (unit == 0) {
        return fmt::format("{:.0f}{}", value, units[0]);
    }
    const int decimals = std::abs(value) < 9.995 ? 2 : std::abs(value) < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f}{}", value, decimals, units[unit]);
}

} // namespace

std::string format_bytes(double bytes) {
    return scaled(bytes, {" B", " kB", " MB", " GB", " TB", " PB"});
}

std::string format_count(double count) {
    return scaled(count, {"", " k", " M", " G", " T", " P"});
}

std::string format_duration(double seconds) {
    if (seconds < 9.95) {
        return fmt::format("{:.{}f} s", seconds, seconds < 0.995 ? 2 : 1);
    }
    const auto whole = static_cast<long long>(std::llround(seconds));
    if (whole < 60) {
        return fmt::format("{} s", whole);
    }
    if (whole < 3600) {
        return fmt::format("{} min {:02} s", whole / 60, whole % 60);
    }
    return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

} // namespace feddip::app
