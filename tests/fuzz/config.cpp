// The config file and its overrides: NUL characters separate the file from the first override and so on.
#include "config/config.hpp"

#include "base/error.hpp"
#include "require.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> parts;
    for (std::size_t end = 0; end != std::string_view::npos;) {
        end = text.find('\0');
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return parts;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    const std::vector<std::string> parts = split({reinterpret_cast<const char*>(data), size});
    try {
        const auto c = config::parse(parts[0], "input", {parts.begin() + 1, parts.end()});
        fuzz::require(config::parse(config::to_toml(c), "dump", {}) == c, "a dump does not read back");
    } catch (const input_error& e) {
        fuzz::require(std::string(e.what()).find('\n') == std::string::npos, "a message has several lines");
    }
    return 0;
}
