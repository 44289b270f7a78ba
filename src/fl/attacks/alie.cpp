// A little is enough (Baruch et al. 2019): mean - z deviation of the honest updates that hostile clients see:
// their own, by their algorithm for workers that see no others, or all others'. z is the largest with which
// as many honest clients as a majority still lacks are further from the mean: Phi(z) = (n - f - s) / (n - f),
// s = floor(n / 2 + 1) - f, of n clients of which f are hostile; `strength` times that. Where f is 1, or
// 2 of an even n, that is half of the honest clients or less, and z is 0.
#include "fl/attacks/kinds.hpp"
#include "fl/attacks/pool.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace feddip::fl {

namespace {

// Phi^-1 by bisection; p in (0, 1).
double normal_quantile(double p) {
    double low = -10, high = 10;
    for (int i = 0; i < 100; ++i) {
        const double middle = (low + high) / 2;
        (std::erfc(-middle / std::numbers::sqrt2) / 2 < p ? low : high) = middle;
    }
    return low;
}

// Where hostile clients are a majority already nothing bounds it; 3 is as far as honest ones ever are.
double hidden_deviations(double clients, double hostile) {
    const double supporters = std::floor(clients / 2 + 1) - hostile;
    const double share = (clients - hostile - supporters) / std::max(1.0, clients - hostile);
    constexpr double most = 3;
    return supporters <= 0 ? most : std::clamp(normal_quantile(std::max(share, 0.5)), 0.0, most);
}

class alie final : public attack {
public:
    explicit alie(double strength) : strength_(strength) {}

    bool pools() const override { return true; }

    void forge(const attack_setting& setting, random_stream&, std::span<float> weights) const override {
        const auto honest = statistics_of(setting);
        const double z = strength_ * hidden_deviations(static_cast<double>(setting.clients),
                                                       static_cast<double>(setting.hostile));
        for (std::size_t i = 0; i < weights.size(); ++i) {
            weights[i] =
                static_cast<float>(setting.model.state[i] + honest.mean[i] - z * honest.deviation[i]);
        }
    }

private:
    double strength_;
};

} // namespace

std::unique_ptr<attack> make_alie(double strength) {
    return std::make_unique<alie>(strength);
}

} // namespace feddip::fl
