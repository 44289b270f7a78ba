// Fields of messages, one behind the other.
#pragma once

#include "base/error.hpp"

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace feddip::privacy {

static_assert(std::endian::native == std::endian::little, "numbers are sent as they lie in memory");

template <typename T>
concept plain_field = std::is_trivially_copyable_v<T>; // a number or an array of bytes

class byte_writer {
public:
    template <plain_field T>
    void put(const T& value) {
        put_all(std::span(&value, 1));
    }
    template <plain_field T>
    void put_all(std::span<const T> values) {
        const std::size_t before = bytes_.size();
        bytes_.resize(before + values.size_bytes());
        if (!values.empty()) {
            std::memcpy(bytes_.data() + before, values.data(), values.size_bytes());
        }
    }
    std::vector<std::byte> take() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

class byte_reader {
public:
    explicit byte_reader(std::span<const std::byte> message) : left_(message) {}

    std::size_t left() const { return left_.size(); }

    // Throws feddip::error where the bytes end too early.
    template <plain_field T>
    T take() {
        T value;
        take_all(std::span(&value, 1));
        return value;
    }
    template <plain_field T>
    void take_all(std::span<T> values) {
        if (left_.size() < values.size_bytes()) {
            throw error("a message can't be read", "secure sum", "it ends too early");
        }
        if (!values.empty()) {
            std::memcpy(values.data(), left_.data(), values.size_bytes());
        }
        left_ = left_.subspan(values.size_bytes());
    }

private:
    std::span<const std::byte> left_;
};

} // namespace feddip::privacy
