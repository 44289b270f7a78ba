#include "fl/attacks/pool.hpp"

#include <cmath>

namespace feddip::fl {

pool_statistics statistics_of(const attack_setting& setting) {
    const std::size_t size = setting.layout.size();
    const auto count = static_cast<double>(setting.pool.size());
    pool_statistics all{std::vector<double>(size), std::vector<double>(size)};
    for (std::size_t i = 0; i < size; ++i) {
        const double model = setting.model.state[i];
        for (const auto& weights : setting.pool) {
            all.mean[i] += (weights[i] - model) / count;
        }
        double squares = 0;
        for (const auto& weights : setting.pool) {
            const double distance = weights[i] - model - all.mean[i];
            squares += distance * distance / count;
        }
        all.deviation[i] = std::sqrt(squares);
    }
    return all;
}

} // namespace feddip::fl
