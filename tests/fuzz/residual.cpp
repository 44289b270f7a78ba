// The decoder of what a client keeps, behind the checksum of its file.
#include "base/error.hpp"
#include "io/residual_codec.hpp"
#include "require.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

// Zeros of both signs are nothing to keep.
bool same(float a, float b) {
    return a == b || (std::isnan(a) && std::isnan(b));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    const auto input = std::as_bytes(std::span(data, size));
    try {
        const auto residual = io::decode_residual(input, "input");
        const auto again = io::decode_residual(io::encode_residual(residual), "again");
        fuzz::require(std::ranges::equal(again, residual, same),
                      "an accepted residual changes when it is kept again");
    } catch (const error&) { // refused, as most inputs should be
    }
    return 0;
}
