// The geometric median: the point with the least sum of distances to the updates, by Weiszfeld's iteration
// with distances smoothed from below (Pillutla et al. 2022, RFA, algorithm 2), each client counting once. It
// begins at the model, where an update far out weighs little from the start.
#include "fl/aggregation/combination.hpp"
#include "fl/aggregation/rules.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace feddip::fl {

namespace {

constexpr int most_iterations = 200;
constexpr double close_enough = 1e-10; // of coefficients, which sum to 1

// 1 / distance, so that they sum to 1.
std::vector<double> weights_of(std::vector<double> distances, double least) {
    std::ranges::transform(distances, distances.begin(), [&](double d) { return 1 / std::max(d, least); });
    const double sum = std::accumulate(distances.begin(), distances.end(), 0.0);
    std::ranges::transform(distances, distances.begin(), [&](double w) { return w / sum; });
    return distances;
}

std::vector<double> geometric_median(const gram& products) {
    constexpr double smoothing = 1e-6, tiny = 1e-100;
    std::vector<double> at(products.size()); // the model
    const auto norms = products.distances_from(at);
    const double least = std::max(smoothing * lower_median(norms), tiny);
    double moved = 1;
    for (int i = 0; i < most_iterations && moved > close_enough; ++i) {
        auto next = weights_of(products.distances_from(at), least);
        moved = 0;
        for (std::size_t u = 0; u < at.size(); ++u) {
            moved = std::max(moved, std::abs(next[u] - at[u]));
        }
        at = std::move(next);
    }
    return at;
}

} // namespace

std::unique_ptr<aggregation_rule> make_geometric_median(const config::run_config& config) {
    return make_combination([](const gram& products, int) { return geometric_median(products); },
                            {config.aggregation.hostile, majority_over});
}

} // namespace feddip::fl
