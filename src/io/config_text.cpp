#include "io/config_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
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

// Keys in which runs may differ and still give the same bits.
bool leaves_results_alone(std::string_view key) {
    constexpr std::array<std::string_view, 2> exact = {"data.path", "federation.rank0_trains"};
    return key.starts_with("checkpoint.") || key.starts_with("output.") ||
           std::find(exact.begin(), exact.end(), key) != exact.end();
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

std::vector<std::string> config_differences(const std::string& of_checkpoint, const std::string& now) {
    const std::map<std::string, std::string> before = config_keys(of_checkpoint);
    const std::map<std::string, std::string> after = config_keys(now);
    std::map<std::string, std::string> all = before;
    all.insert(after.begin(), after.end());
    const auto value_in = [](const std::map<std::string, std::string>& keys, const std::string& key) {
        const auto at = keys.find(key);
        return at == keys.end() ? std::string("not set") : at->second;
    };
    std::vector<std::string> differences;
    for (const auto& [key, value] : all) {
        if (!leaves_results_alone(key) && value_in(before, key) != value_in(after, key)) {
            differences.push_back(fmt::format("{} is {} in the checkpoint and {} now", key,
                                              value_in(before, key), value_in(after, key)));
        }
    }
    return differences;
}

} // namespace feddip::io
