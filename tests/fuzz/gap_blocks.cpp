// Blocks of gaps, of a population of 3,000 positions with 1 to 1,500 marks: the first two bytes say how many.
// All kernels must give the same.
#include "sparse/gap_blocks.hpp"

#include "base/error.hpp"
#include "require.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace {

using namespace feddip;

constexpr std::size_t first = 70;
constexpr std::size_t positions = 3000;

using words = std::vector<std::uint64_t>;

std::optional<words> decoded(std::span<const std::byte> bytes, std::size_t marked,
                             const sparse::block_kernels& kernels) {
    words bits((first + positions) / 64 + 1);
    try {
        const auto rest = sparse::take_blocks(bytes, bits, first, positions, marked, kernels);
        fuzz::require(rest.size() <= bytes.size(), "more bytes are left than there were");
    } catch (const error&) { // refused, as most inputs should be
        return std::nullopt;
    }
    return bits;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::size_t marked = 1 + (data[0] + 256U * data[1]) % (positions / 2);
    const auto bytes = std::as_bytes(std::span(data, size)).subspan(2);
    const auto bits = decoded(bytes, marked, sparse::best_block_kernels());
    fuzz::require(bits == decoded(bytes, marked, sparse::plain_block_kernels()), "two kernels disagree");
    if (bits) {
        std::vector<std::byte> again;
        sparse::put_blocks(*bits, first, positions, true, marked, again);
        fuzz::require(decoded(again, marked, sparse::best_block_kernels()) == bits,
                      "accepted marks change when they are sent on");
    }
    return 0;
}
