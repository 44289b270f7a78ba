#include "io/residual_codec.hpp"

#include "base/error.hpp"
#include "sparse/foreign_mask.hpp"
#include "sparse/mask.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace feddip::io {

std::vector<std::byte> encode_residual(std::span<const float> residual) {
    sparse::mask kept(residual.size(), false);
    for (std::size_t i = 0; i < residual.size(); ++i) {
        kept.set(i, residual[i] != 0.0F);
    }
    std::vector<float> values(kept.count());
    sparse::pack(kept, residual, values);

    const std::uint64_t size = residual.size();
    const auto bits = std::as_bytes(std::span(std::as_const(kept).words()));
    std::vector<std::byte> bytes(sizeof size + bits.size() + values.size() * sizeof(float));
    std::memcpy(bytes.data(), &size, sizeof size);
    const auto behind_bits = std::ranges::copy(bits, bytes.begin() + sizeof size).out;
    std::ranges::copy(std::as_bytes(std::span(values)), behind_bits);
    return bytes;
}

std::vector<float> decode_residual(std::span<const std::byte> bytes, const std::string& where) {
    const auto require = [&](bool holds) {
        if (!holds) {
            throw error(
                "damaged residual of a client", where,
                "it is of another length than it says; start the run anew, or from a copy of its files");
        }
    };
    std::uint64_t size = 0;
    require(bytes.size() >= sizeof size);
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes = bytes.subspan(sizeof size);
    require(size / 8 <= bytes.size()); // before memory is taken
    sparse::mask kept(size, false);
    const auto bits = std::as_writable_bytes(kept.words());
    require(bytes.size() >= bits.size());
    std::ranges::copy(bytes.first(bits.size()), bits.begin());
    require(!sparse::reaches_past_end(kept));
    std::vector<float> values(kept.count());
    require(bytes.size() == bits.size() + values.size() * sizeof(float));
    std::ranges::copy(bytes.subspan(bits.size()), std::as_writable_bytes(std::span(values)).begin());
    std::vector<float> residual(size);
    sparse::unpack(kept, values, residual);
    return residual;
}

} // namespace feddip::io
