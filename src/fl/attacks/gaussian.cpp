// Gaussian noise in place of an update (Blanchard et al. 2017, section 6), where that changes anything. Its
// standard deviation is `strength` times the honest changes' root mean square, so that with 1 it is as long.
#include "fl/attacks/changes.hpp"
#include "fl/attacks/kinds.hpp"

#include <cmath>

namespace feddip::fl {

namespace {

class gaussian final : public attack {
public:
    explicit gaussian(double strength) : strength_(strength) {}

    void forge(const attack_setting& setting, random_stream& random,
               std::span<float> weights) const override {
        const std::span<const float> model = setting.model.state;
        std::vector<std::size_t> changed;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            if (weights[i] != model[i]) {
                changed.push_back(i);
            }
        }
        const double mean_square = squared_change(model, weights) / static_cast<double>(changed.size());
        for (const std::size_t i : changed) {
            weights[i] = static_cast<float>(model[i] + strength_ * std::sqrt(mean_square) * random.normal());
        }
    }

private:
    double strength_;
};

} // namespace

std::unique_ptr<attack> make_gaussian(double strength) {
    return std::make_unique<gaussian>(strength);
}

} // namespace feddip::fl
