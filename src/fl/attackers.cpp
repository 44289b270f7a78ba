#include "fl/attackers.hpp"

#include "fl/packing.hpp"

namespace feddip::fl {

data::image_copies attackers::poisoned(const data::seen_images& seen) const {
    data::image_copies images(seen.data(), seen.images());
    for (std::size_t n = 0; n < images.size(); ++n) {
        how_->poison(seen.data().facts, n, images.pixels(n), images.label(n));
    }
    return images;
}

bool attackers::see(const participant& p, const cast& all) const {
    const auto hostile = all.hostile();
    const bool own =
        here_.what.config.attack.sees == config::attack_sight::own || hostile == all.slots.size();
    return own ? p.hostile : !p.hostile && hostile > 0;
}

// Owners ascend with slots, so that what ranks send, one after the other, is in slot order.
void attackers::share(std::span<const std::vector<float>> trained) {
    pool_.clear();
    std::vector<std::vector<std::byte>> to_all(static_cast<std::size_t>(here_.ranks.size()));
    for (auto& message : to_all) {
        for (const auto& weights : trained) {
            append(message, std::span<const float>(weights));
        }
    }
    auto from_all = here_.ranks.exchange(to_all);
    to_all.clear();
    for (auto& received : from_all) {
        std::span<const std::byte> rest = received;
        while (!rest.empty()) {
            pool_.push_back(take<float>(rest, here_.layout.size()));
        }
        received = {};
    }
}

std::vector<float> attackers::forged(const ongoing_round& now, const global_model& model, int client,
                                     std::span<const float> weights) const {
    random_stream random(here_.what.config.federation.seed, static_cast<std::uint32_t>(now.plan.round),
                         static_cast<std::uint32_t>(client), purpose::attacking);
    std::vector<float> sent(weights.begin(), weights.end());
    how_->forge({.layout = here_.layout,
                 .model = model,
                 .clients = now.who.slots.size(),
                 .hostile = now.who.hostile(),
                 .pool = pool_},
                random, sent);
    return sent;
}

} // namespace feddip::fl
