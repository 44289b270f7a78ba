// 32 bytes that nobody else may know.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace feddip::privacy {

// Overwritten when it goes out of scope.
class secret {
public:
    static constexpr std::size_t size = 32;

    secret() = default; // all 0
    explicit secret(std::span<const std::uint8_t, size> bytes);
    secret(const secret&) = default;
    secret& operator=(const secret&) = default;
    ~secret();

    static secret fresh(); // from libsodium's generator, which the system's seeds

    std::span<const std::uint8_t, size> bytes() const { return bytes_; }
    std::span<std::uint8_t, size> bytes() { return bytes_; }

    bool operator==(const secret& other) const; // takes the same time wherever they differ

private:
    std::array<std::uint8_t, size> bytes_{};
};

} // namespace feddip::privacy
