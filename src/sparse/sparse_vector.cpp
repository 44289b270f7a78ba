#include "sparse/sparse_vector.hpp"

#include "base/error.hpp"
#include "sparse/codec.hpp"

#include <fmt/format.h>

#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>

namespace feddip::sparse {

static_assert(std::endian::native == std::endian::little, "values are sent as they lie in memory");

sparse_vector sum(const sparse_vector& a, const sparse_vector& b) {
    assert(a.support.size() == b.support.size());
    sparse_vector result{a.support, {}};
    const auto in_a = a.support.words();
    const auto in_b = b.support.words();
    const auto in_either = result.support.words();
    std::size_t alive = 0;
    for (std::size_t w = 0; w < in_either.size(); ++w) {
        in_either[w] |= in_b[w];
        alive += static_cast<std::size_t>(std::popcount(in_either[w]));
    }

    result.values.resize(alive);
    const float* from_a = a.values.data();
    const float* from_b = b.values.data();
    float* value = result.values.data();
    for (std::size_t w = 0; w < in_either.size(); ++w) {
        for (std::uint64_t left = in_either[w]; left != 0; left &= left - 1) {
            const std::uint64_t bit = left & (~left + 1);
            const bool has_a = (in_a[w] & bit) != 0;
            const bool has_b = (in_b[w] & bit) != 0;
            *value++ = has_a && has_b ? *from_a + *from_b : has_a ? *from_a : *from_b;
            from_a += has_a ? 1 : 0;
            from_b += has_b ? 1 : 0;
        }
    }
    return result;
}

std::vector<std::byte> encode(const sparse_vector& v, const parameter_layout& layout, const mask* base) {
    const std::vector<std::byte> code = encode(v.support, layout, base);
    const auto length = static_cast<std::uint32_t>(code.size());
    const auto values = std::as_bytes(std::span(v.values));
    std::vector<std::byte> bytes(sizeof length + code.size() + values.size());
    std::memcpy(bytes.data(), &length, sizeof length);
    std::memcpy(bytes.data() + sizeof length, code.data(), code.size());
    if (!values.empty()) {
        std::memcpy(bytes.data() + sizeof length + code.size(), values.data(), values.size());
    }
    return bytes;
}

sparse_vector decode_vector(std::span<const std::byte> bytes, const parameter_layout& layout,
                            const mask* base) {
    const auto damaged = [](const std::string& why) {
        return error("a sparse vector can't be read", "decoding", why);
    };
    std::uint32_t length = 0;
    if (bytes.size() < sizeof length) {
        throw damaged("it ends too early");
    }
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes = bytes.subspan(sizeof length);
    if (length > bytes.size()) {
        throw damaged("its positions end too early");
    }
    sparse_vector v{decode(bytes.first(length), layout, base), {}};
    bytes = bytes.subspan(length);
    const std::size_t alive = v.support.count();
    if (bytes.size() != alive * sizeof(float)) {
        throw damaged(fmt::format("{} bytes of values for {} positions", bytes.size(), alive));
    }
    v.values.resize(alive);
    if (alive > 0) {
        std::memcpy(v.values.data(), bytes.data(), bytes.size());
    }
    return v;
}

} // namespace feddip::sparse
