// Norm bounding (Sun et al. 2019, "Can you really backdoor federated learning?"): updates longer than a bound
// are scaled down to it, then averaged, each client counting once. The bound is `aggregation.clip`, or the
// median of the round's norms.
#include "fl/aggregation/combination.hpp"
#include "fl/aggregation/rules.hpp"

namespace feddip::fl {

std::unique_ptr<aggregation_rule> make_norm_bound(const config::run_config& config) {
    const double clip = config.aggregation.clip;
    const auto rule = [clip](const gram& products, int) {
        auto norms = products.distances_from(std::vector<double>(products.size()));
        const double bound = clip > 0 ? clip : lower_median(norms);
        for (double& value : norms) {
            value = (value <= bound ? 1 : bound / value) / static_cast<double>(products.size());
        }
        return norms;
    };
    return make_combination(rule, {config.aggregation.hostile, majority_over});
}

} // namespace feddip::fl
