// The server's message to a rank that holds the first mask, version 1.
#include "base/error.hpp"
#include "fl/message.hpp"
#include "require.hpp"
#include "small_model.hpp"
#include "sparse/foreign_mask.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    static const parameter_layout layout = fuzz::small_layout();
    static const sparse::mask held = fuzz::small_base(layout);
    fl::global_model model{.state = std::vector<float>(layout.size()), .mask = held, .mask_version = 1};
    try {
        fl::decode(std::as_bytes(std::span(data, size)), layout, model);
        fuzz::require(model.state.size() == layout.size(), "the model has another size");
        fuzz::require(model.mask.size() == layout.prunable_size(), "the mask has another size");
        fuzz::require(!sparse::reaches_past_end(model.mask), "the mask reaches past its end");
        for (std::size_t i = 0; i < model.mask.size(); ++i) {
            fuzz::require(model.mask[i] || model.state[i] == 0.0F, "a pruned weight is not 0");
        }
    } catch (const error&) { // refused, as most inputs should be
    }
    return 0;
}
