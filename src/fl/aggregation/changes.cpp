#include "fl/aggregation/changes.hpp"

#include "fl/message.hpp"
#include "privacy/clipping.hpp"

#include <algorithm>
#include <functional>

namespace feddip::fl {

changes::changes(const aggregation_setting& setting) : setting_(setting) {
    const bool all_weights = setting.plan.trains_all_weights();
    known_.resize(upload_length(setting.layout, setting.model.mask, all_weights));
    pack_upload(setting.layout, setting.model.mask, all_weights, setting.model.state, known_);
}

void changes::take(const upload& sent, std::span<float> change) const {
    std::ranges::copy(sent.tail, std::ranges::copy(sent.weights.values, change.begin()).out);
    std::ranges::transform(change, known_, change.begin(), std::minus{});
}

std::vector<float> changes::applied(std::span<const double> sum, double divisor) const {
    std::vector<float> values(known_.size());
    std::ranges::transform(known_, sum, values.begin(), [&](float known, double change) {
        return static_cast<float>(known + change / divisor);
    });
    std::vector<float> state(setting_.layout.size());
    unpack_upload(setting_.layout, setting_.model.mask, setting_.plan.trains_all_weights(), values, state);
    return state;
}

double next_clip(const privacy_guarantee& guarantee, double quantile, const aggregation_setting& setting,
                 std::uint64_t within, std::uint64_t came) {
    const auto& [key, clip] = setting.protection;
    if (quantile == 0) {
        return clip;
    }
    auto noise = privacy::noise_stream(
        privacy::noise_key(key), static_cast<std::uint64_t>(setting.plan.round), privacy::noise_of::count);
    return privacy::adaptive_clipping{
        .bound = clip, .quantile = quantile, .count_noise = guarantee.count_noise()}
        .next(within, came, guarantee.expected_clients(), noise);
}

} // namespace feddip::fl
