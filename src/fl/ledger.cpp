#include "fl/ledger.hpp"

#include "fl/message.hpp"
#include "sparse/codec.hpp"

#include <algorithm>

namespace feddip::fl {

download_cost download_ledger::charge(run_state& state, int client) {
    auto& held = state.client_mask_version[static_cast<std::size_t>(client)];
    const std::uint64_t positions = held == state.model.mask_version ? 0 : mask_bytes(state, held);
    held = state.model.mask_version;
    const std::uint64_t values = sizeof(float) * upload_length(*layout_, state.model.mask, false);
    return {.bytes = header_bytes + positions + values, .positions = positions};
}

std::uint64_t download_ledger::mask_bytes(const run_state& state, std::uint32_t held) {
    if (coded_version_ != state.model.mask_version) {
        coded_.clear();
        coded_version_ = state.model.mask_version;
    }
    const auto base = std::ranges::find(state.recent_masks, held, &versioned_mask::version);
    const bool remembered = base != state.recent_masks.end();
    // All holders of forgotten masks need the same.
    const std::uint32_t key = remembered ? held : state.model.mask_version;
    const auto known = coded_.find(key);
    if (known != coded_.end()) {
        return known->second;
    }
    const auto code = sparse::encode(state.model.mask, *layout_, remembered ? &base->mask : nullptr);
    return coded_[key] = code.size();
}

double reference_cost_mib(const parameter_layout& layout, double sparsity_down, std::size_t clients_down,
                          double sparsity_up, std::size_t clients_up) {
    const double whole = 32.0 * static_cast<double>(layout.trainable_size()) / (1 << 20);
    return whole * (static_cast<double>(clients_down) * (1.0 - sparsity_down) +
                    static_cast<double>(clients_up) * (1.0 - sparsity_up));
}

} // namespace feddip::fl
