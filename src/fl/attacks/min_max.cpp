// Min-max (Shejwalkar and Houmansadr 2021): mean - gamma deviation, with the largest gamma that keeps the
// distance to each honest update at most the largest between two of them; honest ones are those that hostile
// clients see. `strength` times that gamma.
#include "fl/attacks/kinds.hpp"
#include "fl/attacks/pool.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace feddip::fl {

namespace {

double squared_distance(std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double difference = static_cast<double>(a[i]) - b[i];
        sum += difference * difference;
    }
    return sum;
}

double largest_squared_distance(std::span<const std::vector<float>> pool) {
    double largest = 0;
    for (std::size_t u = 0; u < pool.size(); ++u) {
        for (std::size_t v = 0; v < u; ++v) {
            largest = std::max(largest, squared_distance(pool[u], pool[v]));
        }
    }
    return largest;
}

// The least over all updates of the positive root of |mean - gamma deviation - update|^2 = bound.
double largest_gamma(const attack_setting& setting, const pool_statistics& honest) {
    const double bound = largest_squared_distance(setting.pool);
    double gamma = std::numeric_limits<double>::infinity();
    for (const auto& weights : setting.pool) {
        double square = 0, half_linear = 0, constant = -bound;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            const double distance = setting.model.state[i] + honest.mean[i] - weights[i];
            square += honest.deviation[i] * honest.deviation[i];
            half_linear -= distance * honest.deviation[i];
            constant += distance * distance;
        }
        if (square > 0) {
            const double root = std::sqrt(std::max(0.0, half_linear * half_linear - square * constant));
            gamma = std::min(gamma, (root - half_linear) / square);
        }
    }
    return std::isfinite(gamma) ? std::max(0.0, gamma) : 0;
}

class min_max final : public attack {
public:
    explicit min_max(double strength) : strength_(strength) {}

    bool pools() const override { return true; }

    void forge(const attack_setting& setting, random_stream&, std::span<float> weights) const override {
        const auto honest = statistics_of(setting);
        const double gamma = strength_ * largest_gamma(setting, honest);
        for (std::size_t i = 0; i < weights.size(); ++i) {
            weights[i] =
                static_cast<float>(setting.model.state[i] + honest.mean[i] - gamma * honest.deviation[i]);
        }
    }

private:
    double strength_;
};

} // namespace

std::unique_ptr<attack> make_min_max(double strength) {
    return std::make_unique<min_max>(strength);
}

} // namespace feddip::fl
