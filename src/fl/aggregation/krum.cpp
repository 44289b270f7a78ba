// Krum (Blanchard et al. 2017): the one update that is nearest to its nearest neighbours.
#include "fl/aggregation/krum.hpp"

#include "fl/aggregation/combination.hpp"
#include "fl/aggregation/rules.hpp"

#include <algorithm>
#include <numeric>

namespace feddip::fl {

std::vector<std::size_t> by_krum_score(const gram& products, int hostile) {
    const std::size_t n = products.size();
    const std::size_t nearest = n - static_cast<std::size_t>(hostile) - 2;
    std::vector<double> scores;
    for (std::size_t u = 0; u < n; ++u) {
        std::vector<double> distances;
        for (std::size_t v = 0; v < n; ++v) {
            if (v != u) {
                distances.push_back(products.squared_distance(u, v));
            }
        }
        std::ranges::sort(distances);
        scores.push_back(std::accumulate(distances.begin(),
                                         distances.begin() + static_cast<std::ptrdiff_t>(nearest), 0.0));
    }
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t u) { return scores[u]; });
    return order;
}

std::unique_ptr<aggregation_rule> make_krum(const config::run_config& config) {
    const auto rule = [](const gram& products, int hostile) {
        std::vector<double> coefficients(products.size());
        coefficients[by_krum_score(products, hostile).front()] = 1;
        return coefficients;
    };
    return make_combination(rule, {config.aggregation.hostile, krum_needs});
}

} // namespace feddip::fl
