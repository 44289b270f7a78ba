// The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as much as ONNX needs.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace feddip::io {

class protobuf_message {
public:
    void integer(int field, std::int64_t value) {
        tag(field, 0);
        varint(static_cast<std::uint64_t>(value));
    }
    void number(int field, float value) {
        tag(field, 5);
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (int shift = 0; shift < 32; shift += 8) {
            bytes_.push_back(static_cast<std::byte>(bits >> shift));
        }
    }
    void bytes(int field, std::span<const std::byte> value) {
        tag(field, 2);
        varint(value.size());
        bytes_.insert(bytes_.end(), value.begin(), value.end());
    }
    void text(int field, std::string_view value) { bytes(field, std::as_bytes(std::span(value))); }
    void message(int field, const protobuf_message& value) { bytes(field, value.bytes_); }

    const std::vector<std::byte>& encoded() const { return bytes_; }

private:
    void tag(int field, int wire_type) { varint(static_cast<std::uint64_t>(field << 3 | wire_type)); }
    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7U) {
            bytes_.push_back(static_cast<std::byte>(value | 0x80));
        }
        bytes_.push_back(static_cast<std::byte>(value));
    }

    std::vector<std::byte> bytes_;
};

} // namespace feddip::io
