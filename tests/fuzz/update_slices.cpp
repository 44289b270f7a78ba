// What a rank gets of the updates that others have trained, where the rule takes slices of coordinates. The
// first byte says how many.
#include "base/error.hpp"
#include "fl/aggregation/slices.hpp"
#include "require.hpp"
#include "sparse/foreign_mask.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    if (size == 0) {
        return 0;
    }
    const std::size_t coordinates = data[0];
    try {
        const auto slices =
            fl::unpack_slices(std::as_bytes(std::span(data, size)).subspan(1), coordinates).finite;
        for (const auto& slice : slices) {
            fuzz::require(slice.sent.support.size() == coordinates &&
                              !sparse::reaches_past_end(slice.sent.support),
                          "a slice of another size was accepted");
        }
        std::size_t values = 0, expected = 0;
        for (const auto& slice : slices) {
            expected += slice.sent.values.size();
        }
        fl::visit_coordinates(
            slices, coordinates, [&](std::size_t, std::size_t, float) { ++values; }, [](std::size_t) {});
        fuzz::require(values == expected, "there are more or fewer values than positions");
    } catch (const error&) { // refused, as most inputs should be
    }
    return 0;
}
