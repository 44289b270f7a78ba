// The hostile clients of a run, as the training stage meets them.
#pragma once

#include "data/image_copies.hpp"
#include "fl/attacks/attack.hpp"
#include "fl/experiment.hpp"
#include "fl/round.hpp"

#include <memory>
#include <vector>

namespace feddip::fl {

class attackers {
public:
    explicit attackers(workplace& here) : here_(here), how_(make_attack(here.what.config)) {}

    bool pool() const { return how_ && how_->pools(); }
    // Whether hostile ones of the round know what this one trains, where they pool: their own where none is
    // honest.
    bool see(const participant& p, const cast& all) const;
    bool poison() const { return how_ && how_->poisons(); }
    // What a hostile client trains on that sees these images.
    data::image_copies poisoned(const data::seen_images& seen) const;

    // Collective, where they pool: what the clients on this rank that they see have trained, in slot order,
    // goes to all ranks, which hold it until the next round.
    void share(std::span<const std::vector<float>> trained);

    // What a hostile client sends that has trained `weights`.
    std::vector<float> forged(const ongoing_round& now, const global_model& model, int client,
                              std::span<const float> weights) const;

private:
    workplace& here_;
    std::unique_ptr<attack> how_;
    std::vector<std::vector<float>> pool_; // of all ranks, by slot
};

} // namespace feddip::fl
