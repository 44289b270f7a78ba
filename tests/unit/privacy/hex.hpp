// Published vectors as they are printed.
#pragma once

#include "privacy/secret.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

inline std::vector<std::uint8_t> from_hex(std::string_view digits) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
    }
    return bytes;
}

inline feddip::privacy::secret secret_from_hex(std::string_view digits) {
    const auto bytes = from_hex(digits);
    return feddip::privacy::secret(std::span<const std::uint8_t, 32>(bytes.data(), 32));
}
