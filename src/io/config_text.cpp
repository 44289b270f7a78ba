#include "io/config_text.hpp"

#include <sstream>
#include <string_view>

namespace feddip::io {

namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r";
    const std::size_t first = text.find_first_not_of(blank);
    return first == std::string_view::npos ? std::string_view()
                                           : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

} // namespace

std::map<std::string, std::string> config_keys(const std::string& toml) {
    std::map<std::string, std::string> keys;
    std::istringstream lines(toml);
    std::string section;
    for (std::string raw; std::getline(lines, raw);) {
        const std::string_view line = trimmed(raw);
        const std::size_t equals = line.find('=');
        if (line.starts_with('[') && line.ends_with(']')) {
            section = line.substr(1, line.size() - 2);
        } else if (!line.starts_with('#') && equals != std::string_view::npos) {
            keys[section + "." + std::string(trimmed(line.substr(0, equals)))] =
                trimmed(line.substr(equals + 1));
        }
    }
    return keys;
}

} // namespace feddip::io
