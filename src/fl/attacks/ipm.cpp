// Inner product manipulation (Xie et al. 2020): -epsilon times the mean update, epsilon = `strength`. The
// mean is that of the honest updates that hostile clients see.
#include "fl/attacks/kinds.hpp"
#include "fl/attacks/pool.hpp"

namespace feddip::fl {

namespace {

class ipm final : public attack {
public:
    explicit ipm(double strength) : strength_(strength) {}

    bool pools() const override { return true; }

    void forge(const attack_setting& setting, random_stream&, std::span<float> weights) const override {
        const auto honest = statistics_of(setting);
        for (std::size_t i = 0; i < weights.size(); ++i) {
            weights[i] = static_cast<float>(setting.model.state[i] - strength_ * honest.mean[i]);
        }
    }

private:
    double strength_;
};

} // namespace

std::unique_ptr<attack> make_ipm(double strength) {
    return std::make_unique<ipm>(strength);
}

} // namespace feddip::fl
