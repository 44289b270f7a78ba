// The hostile clients of a run, as the training stage meets them.
#pragma once

#include "fl/attacks/attack.hpp"
#include "fl/experiment.hpp"
#include "fl/round.hpp"

#include <memory>
#include <vector>

namespace feddip::fl {

// A hostile client's images, changed: a data set of its own.
class poisoned_share {
public:
    poisoned_share(const attack& how, const data::dataset& data, std::span<const std::uint32_t> images);

    data::dataset data() const; // a view, whose training images are these
    std::span<const std::uint32_t> images() const { return numbers_; }

private:
    const data::dataset& of_;
    std::vector<std::uint8_t> pixels_, labels_;
    std::vector<std::uint32_t> numbers_;
};

class attackers {
public:
    explicit attackers(workplace& here) : here_(here), how_(make_attack(here.what.config)) {}

    bool pool() const { return how_ && how_->pools(); }
    bool poison() const { return how_ && how_->poisons(); }
    poisoned_share poisoned(std::span<const std::uint32_t> images) const {
        return {*how_, here_.what.data, images};
    }

    // Collective, where they pool: what the hostile clients on this rank have trained, in slot order, goes to
    // all ranks, which hold it until the next round.
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
