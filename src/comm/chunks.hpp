// MPI 3 counts with int: what is longer travels in pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace feddip::comm {

struct chunk {
    std::size_t offset;
    std::size_t length;

    bool operator==(const chunk&) const = default;
};

// 0 .. total in pieces of `most` (the last may be shorter); none where total is 0.
inline std::vector<chunk> chunks_of(std::size_t total, std::size_t most) {
    std::vector<chunk> chunks;
    chunks.reserve(total / most + 1);
    for (std::size_t offset = 0; offset < total; offset += most) {
        chunks.push_back({offset, std::min(most, total - offset)});
    }
    return chunks;
}

} // namespace feddip::comm
