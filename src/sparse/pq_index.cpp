#include "sparse/pq_index.hpp"

#include "sparse/magnitude.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace feddip::sparse {

double pq_index(std::span<const float> values) {
    double roots = 0;
    double sum = 0;
    for (const float value : values) {
        const double magnitude = std::abs(static_cast<double>(value));
        roots += std::sqrt(magnitude);
        sum += magnitude;
    }
    return sum > 0 ? std::max(0.0, 1 - roots * roots / (static_cast<double>(values.size()) * sum)) : 0.0;
}

std::size_t kept_by_pq_index(std::span<const float> values) {
    const auto all = static_cast<double>(values.size());
    const auto kept = static_cast<std::size_t>(std::ceil(all * (1 - pq_index(values))));
    return std::max(kept, values.size() - values.size() * 9 / 10);
}

mask prune_by_pq_index(const parameter_layout& layout, std::span<const float> values, const mask& alive) {
    mask kept(alive.size(), false);
    for (const auto& tensor : layout.weights()) {
        std::vector<std::size_t> places;
        std::vector<float> weights;
        for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
            if (alive[i]) {
                places.push_back(i);
                weights.push_back(values[i]);
            }
        }
        keep_largest(weights, kept_by_pq_index(weights)).for_each_alive([&](std::size_t k) {
            kept.set(places[k], true);
        });
    }
    return kept;
}

} // namespace feddip::sparse
