#include "fl/attackers.hpp"

#include "fl/packing.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace feddip::fl {

poisoned_share::poisoned_share(const attack& how, const data::dataset& data,
                               std::span<const std::uint32_t> images)
    : of_(data), numbers_(images.size()) {
    std::iota(numbers_.begin(), numbers_.end(), 0U);
    const std::size_t size = data.facts.image_bytes();
    for (const std::uint32_t i : images) {
        const auto image = data.train.pixels.subspan(i * size, size);
        pixels_.insert(pixels_.end(), image.begin(), image.end());
        labels_.push_back(data.train.labels[i]);
    }
    for (std::size_t n = 0; n < labels_.size(); ++n) {
        how.poison(data.facts, n, std::span(pixels_).subspan(n * size, size), labels_[n]);
    }
}

data::dataset poisoned_share::data() const {
    return {.facts = of_.facts, .train = {pixels_, labels_}, .test = of_.test};
}

// Owners ascend with slots, so that what ranks send, one after the other, is in slot order.
void attackers::share(std::span<const std::vector<float>> trained) {
    std::vector<std::byte> message;
    for (const auto& weights : trained) {
        append(message, std::span<const float>(weights));
    }
    const std::vector<std::vector<std::byte>> to_all(static_cast<std::size_t>(here_.ranks.size()), message);
    pool_.clear();
    for (const auto& received : here_.ranks.exchange(to_all)) {
        std::span<const std::byte> rest = received;
        while (!rest.empty()) {
            pool_.push_back(take<float>(rest, here_.layout.size()));
        }
    }
}

std::vector<float> attackers::forged(const ongoing_round& now, const global_model& model, int client,
                                     std::span<const float> weights) const {
    random_stream random(here_.what.config.federation.seed, static_cast<std::uint32_t>(now.plan.round),
                         static_cast<std::uint32_t>(client), purpose::attacking);
    std::vector<float> sent(weights.begin(), weights.end());
    how_->forge({.layout = here_.layout, .model = model, .clients = now.who.slots.size(), .pool = pool_},
                random, sent);
    return sent;
}

} // namespace feddip::fl
