// Multi-Krum (Blanchard et al. 2017, section 5): the mean of the m updates with the lowest scores. m is n -
// hostile - 2, the most for which it is shown to withstand them (Damaskinos et al. 2019, AggregaThor).
#include "fl/aggregation/combination.hpp"
#include "fl/aggregation/krum.hpp"
#include "fl/aggregation/rules.hpp"

#include <span>

namespace feddip::fl {

std::unique_ptr<aggregation_rule> make_multi_krum(const config::run_config& config) {
    const auto rule = [](const gram& products, int hostile) {
        std::vector<double> coefficients(products.size());
        const std::size_t chosen = products.size() - static_cast<std::size_t>(hostile) - 2;
        const auto best_first = by_krum_score(products, hostile);
        for (const std::size_t u : std::span(best_first).first(chosen)) {
            coefficients[u] = 1.0 / static_cast<double>(chosen);
        }
        return coefficients;
    };
    return make_combination(rule, {config.aggregation.hostile, krum_needs});
}

} // namespace feddip::fl
