// What a client keeps of its weights until it is sampled again, as bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace feddip::io {

// Floats (u64), one bit for each that isn't 0 (u64 words), those floats; little-endian.
std::vector<std::byte> encode_residual(std::span<const float> residual);

// Throws feddip::error, about what is at `where`, for bytes that encode_residual can't have written.
std::vector<float> decode_residual(std::span<const std::byte> bytes, const std::string& where);

} // namespace feddip::io
