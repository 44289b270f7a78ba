// The coordinate-wise median of the clients' weights (Yin et al. 2018), each client counting once whatever
// its samples.
#include "fl/aggregation/coordinate_wise.hpp"
#include "fl/aggregation/rules.hpp"

namespace feddip::fl {

std::unique_ptr<aggregation_rule> make_median(const config::run_config& config) {
    return make_coordinate_wise([](std::span<float> values, float, int) { return median_of(values); },
                                {config.aggregation.hostile, majority_over});
}

} // namespace feddip::fl
