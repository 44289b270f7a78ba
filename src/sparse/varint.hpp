// Numbers in as few bytes as they need: 7 bits each, the lowest first; all but the last have the highest bit
// set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::sparse {

inline void put_varint(std::vector<std::byte>& bytes, std::uint64_t value) {
    for (; value >= 128; value >>= 7U) {
        bytes.push_back(static_cast<std::byte>(value | 128U));
    }
    bytes.push_back(static_cast<std::byte>(value));
}

// The number in front, of less than 63 bits, which is taken from `bytes`. Calls refuse(why), which throws,
// where there is none.
template <typename Refuse>
std::uint64_t take_varint(std::span<const std::byte>& bytes, Refuse&& refuse) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
        if (bytes.empty()) {
            refuse("it ends too early");
        }
        const auto byte = std::to_integer<std::uint8_t>(bytes.front());
        bytes = bytes.subspan(1);
        value |= std::uint64_t{byte & 127U} << shift;
        if (byte < 128) {
            return value;
        }
    }
    refuse("a number has too many digits");
    return 0;
}

} // namespace feddip::sparse
