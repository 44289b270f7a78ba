// The mask decoder. The first byte says whether the receiver holds a mask (odd), the rest is the message.
#include "base/error.hpp"
#include "require.hpp"
#include "small_model.hpp"
#include "sparse/codec.hpp"
#include "sparse/foreign_mask.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    static const parameter_layout layout = fuzz::small_layout();
    static const sparse::mask held = fuzz::small_base(layout);
    if (size == 0) {
        return 0;
    }
    const sparse::mask* base = data[0] % 2 == 1 ? &held : nullptr;
    try {
        const auto m = sparse::decode(std::as_bytes(std::span(data, size)).subspan(1), layout, base);
        fuzz::require(m.size() == layout.prunable_size(), "a mask of another size was accepted");
        fuzz::require(!sparse::reaches_past_end(m), "a mask reaches past its end");
        fuzz::require(sparse::decode(sparse::encode(m, layout, base), layout, base) == m,
                      "an accepted mask changes when it is sent on");
    } catch (const error&) { // refused, as most inputs should be
    }
    return 0;
}
