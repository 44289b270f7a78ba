// Diagnostics, on stderr, each line with the rank that wrote it. Results never go here.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace feddip::log {

enum class level { debug, info, warning, error };

// The rank printed before each line (-1: none) and the least level shown.
void configure(int rank, level least);
void write(level at, const std::string& line);

template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    write(level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
    write(level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
    write(level::debug, fmt::format(format, std::forward<Args>(args)...));
}

} // namespace feddip::log
