// What attacks that change a client's images or labels have in common: it trains honestly on them, and its
// update is then sent `strength` times as long.
#pragma once

#include "fl/attacks/attack.hpp"
#include "fl/attacks/changes.hpp"

namespace feddip::fl {

class poisoning : public attack {
public:
    explicit poisoning(double strength) : strength_(strength) {}

    bool poisons() const override { return true; }

    void forge(const attack_setting& setting, random_stream&, std::span<float> weights) const override {
        if (strength_ != 1) {
            scale_change(setting.model.state, strength_, weights);
        }
    }

private:
    double strength_;
};

} // namespace feddip::fl
