// Centred clipping (Karimireddy, He, Jaggi 2021, algorithm 1): v <- v + mean over u of (x_u - v) min(1, tau /
// ||x_u - v||). Its centre begins at the model, not at an earlier round's, and therefore moves five times.
// tau is `aggregation.clip`, or anew each time the median of the distances. The paper's other half is not
// here: workers that send momentum, against attacks that add up over rounds.
#include "fl/aggregation/combination.hpp"
#include "fl/aggregation/rules.hpp"

#include <algorithm>

namespace feddip::fl {

namespace {

constexpr int moves = 5;

std::vector<double> centered_clipping(const gram& products, double clip) {
    const auto n = static_cast<double>(products.size());
    std::vector<double> centre(products.size());
    for (int i = 0; i < moves; ++i) {
        const auto distances = products.distances_from(centre);
        const double radius = clip > 0 ? clip : lower_median(distances);
        std::vector<double> steps;
        double sum = 0;
        for (const double d : distances) {
            steps.push_back((d <= radius ? 1 : radius / d) / n);
            sum += steps.back();
        }
        for (std::size_t u = 0; u < centre.size(); ++u) {
            centre[u] = centre[u] * (1 - sum) + steps[u];
        }
    }
    return centre;
}

} // namespace

std::unique_ptr<aggregation_rule> make_centered_clipping(const config::run_config& config) {
    const double clip = config.aggregation.clip;
    return make_combination([clip](const gram& products, int) { return centered_clipping(products, clip); },
                            {config.aggregation.hostile, majority_over});
}

} // namespace feddip::fl
