// The coordinate-wise trimmed mean (Yin et al. 2018): of each weight the `hostile` largest and smallest
// values are left out, and the others averaged, each client counting once whatever its samples. A weight that
// no more than 2 hostile clients sent keeps its value: hostile ones may be all that sent it.
#include "fl/aggregation/coordinate_wise.hpp"
#include "fl/aggregation/rules.hpp"

#include <algorithm>
#include <numeric>

namespace feddip::fl {

std::unique_ptr<aggregation_rule> make_trimmed_mean(const config::run_config& config) {
    const auto rule = [](std::span<float> values, float kept, int hostile) {
        const auto trimmed = static_cast<std::size_t>(hostile);
        if (values.size() <= 2 * trimmed) {
            return kept;
        }
        std::ranges::sort(values);
        const auto rest = values.subspan(trimmed, values.size() - 2 * trimmed);
        return static_cast<float>(std::accumulate(rest.begin(), rest.end(), 0.0) /
                                  static_cast<double>(rest.size()));
    };
    return make_coordinate_wise(rule, {config.aggregation.hostile, majority_over});
}

} // namespace feddip::fl
