// An attacker of this project's own that knows the mask and hides in few coordinates: of the weights in the
// mask it drives the hundredth with the largest magnitude, on which the model rests most, towards zero and
// past it, each by the same amount, `strength` times as long together as its honest update was. The rest of
// that update it sends as it is.
#include "fl/attacks/changes.hpp"
#include "fl/attacks/kinds.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::fl {

namespace {

constexpr std::size_t one_in = 100;

class mask_aware final : public attack {
public:
    explicit mask_aware(double strength) : strength_(strength) {}

    void forge(const attack_setting& setting, random_stream&, std::span<float> weights) const override {
        const std::span<const float> model = setting.model.state;
        std::vector<std::size_t> targets;
        setting.model.mask.for_each_alive([&](std::size_t i) { targets.push_back(i); });
        if (targets.empty()) {
            return;
        }
        std::ranges::stable_sort(targets, std::greater{}, [&](std::size_t i) { return std::abs(model[i]); });
        targets.resize((targets.size() + one_in - 1) / one_in);
        const double step =
            strength_ * std::sqrt(squared_change(model, weights) / static_cast<double>(targets.size()));
        for (const std::size_t i : targets) {
            weights[i] = static_cast<float>(model[i] - std::copysign(step, model[i]));
        }
    }

private:
    double strength_;
};

} // namespace

std::unique_ptr<attack> make_mask_aware(double strength) {
    return std::make_unique<mask_aware>(strength);
}

} // namespace feddip::fl
