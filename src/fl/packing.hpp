// Values one after the other in a message between ranks.
#pragma once

#include "base/error.hpp"
#include "fl/transport.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

namespace feddip::fl {

template <typename T>
concept packable = std::is_trivially_copyable_v<T>;

template <packable T>
void append(std::vector<std::byte>& message, std::span<const T> values) {
    const auto bytes = std::as_bytes(values);
    const std::size_t before = message.size();
    message.resize(before + bytes.size());
    std::ranges::copy(bytes, message.begin() + static_cast<std::ptrdiff_t>(before));
}

// The next `count` values, which are gone from `message`. Throws feddip::error where it has fewer.
template <packable T>
std::vector<T> take(std::span<const std::byte>& message, std::size_t count) {
    if (count > message.size() / sizeof(T)) {
        throw error("damaged message", "ranks", "it is shorter than it says");
    }
    std::vector<T> values(count);
    const auto bytes = std::as_writable_bytes(std::span(values));
    std::ranges::copy(message.first(bytes.size()), bytes.begin());
    message = message.subspan(bytes.size());
    return values;
}

template <packable T>
T take_one(std::span<const std::byte>& message) {
    return take<T>(message, 1).front();
}

// All that is left.
template <packable T>
std::vector<T> take_rest(std::span<const std::byte> message) {
    return take<T>(message, message.size() / sizeof(T));
}

// Collective: rank 0's values, of which each rank has as many.
template <packable T>
std::vector<T> broadcast(transport& ranks, std::span<const T> values) {
    std::vector<std::byte> message;
    append(message, values);
    ranks.broadcast(message);
    return take_rest<T>(message);
}

} // namespace feddip::fl
