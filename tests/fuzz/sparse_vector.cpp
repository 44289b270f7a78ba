// The decoder of sparse vectors. The first byte says whether the receiver holds a mask (odd).
#include "sparse/sparse_vector.hpp"

#include "base/error.hpp"
#include "require.hpp"
#include "small_model.hpp"
#include "sparse/foreign_mask.hpp"

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    static const parameter_layout layout = fuzz::small_layout();
    static const sparse::mask held = fuzz::small_base(layout);
    if (size == 0) {
        return 0;
    }
    const sparse::mask* base = data[0] % 2 == 1 ? &held : nullptr;
    try {
        const auto v = sparse::decode_vector(std::as_bytes(std::span(data, size)).subspan(1), layout, base);
        fuzz::require(v.support.size() == layout.prunable_size(), "a support of another size was accepted");
        fuzz::require(!sparse::reaches_past_end(v.support), "a support reaches past its end");
        fuzz::require(v.values.size() == v.support.count(), "there are more or fewer values than positions");
        const auto again = sparse::decode_vector(sparse::encode(v, layout, base), layout, base);
        fuzz::require(again.support == v.support && std::ranges::equal(std::as_bytes(std::span(again.values)),
                                                                       std::as_bytes(std::span(v.values))),
                      "an accepted vector changes when it is sent on");
    } catch (const error&) { // refused, as most inputs should be
    }
    return 0;
}
