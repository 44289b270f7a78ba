#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace feddip::nn {

// Threads get whole chunks, so that the bits of a sum over chunks do not depend on how many threads there
// are.
inline constexpr std::size_t chunk_size = std::size_t{1} << 14;
inline std::size_t chunks_of(std::size_t n) {
    return (n + chunk_size - 1) / chunk_size;
}

// Calls f(chunk, first, length) for the chunks of 0 .. n - 1, in parallel.
template <typename F>
void in_chunks(std::size_t n, F&& f) {
    const auto chunks = static_cast<std::int64_t>(chunks_of(n));
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (std::int64_t c = 0; c < chunks; ++c) {
        const std::size_t first = static_cast<std::size_t>(c) * chunk_size;
        f(static_cast<std::size_t>(c), first, std::min(chunk_size, n - first));
    }
}

} // namespace feddip::nn
