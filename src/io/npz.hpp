// Named arrays as NumPy reads them: numpy.load("model.npz")["conv1.weight"].
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace feddip::io {

struct named_array {
    std::string name;
    const char* type; // NumPy's: "<f4", "<i8"
    std::vector<std::int64_t> shape;
    std::span<const std::byte> values; // row-major, little-endian
};

// A ZIP archive of deflated .npy files (NumPy's format 1.0; PKWARE's APPNOTE 6.3). Throws error where a part
// passes 4 GiB.
std::vector<std::byte> encode_npz(std::span<const named_array> arrays);

} // namespace feddip::io
