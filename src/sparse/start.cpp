#include "sparse/start.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace feddip::sparse {

namespace {

double erk_ratio(const parameter& p) {
    const auto extent = std::accumulate(p.shape.begin(), p.shape.end(), std::int64_t{0});
    return static_cast<double>(extent) / static_cast<double>(p.size);
}

} // namespace

std::vector<double> erk_densities(const parameter_layout& layout, double sparsity) {
    const auto weights = layout.weights();
    std::vector<double> densities(weights.size(), 0.0);
    std::vector<bool> dense(weights.size(), false);
    while (true) {
        // eps * sum over the layers that are not dense of ratio * size = the alive weights left for them.
        double wanted = (1.0 - sparsity) * static_cast<double>(layout.prunable_size());
        double per_epsilon = 0;
        for (std::size_t l = 0; l < weights.size(); ++l) {
            const auto size = static_cast<double>(weights[l].size);
            if (dense[l]) {
                wanted -= size;
            } else {
                per_epsilon += erk_ratio(weights[l]) * size;
            }
        }
        const double epsilon = per_epsilon > 0 ? wanted / per_epsilon : 0.0;
        bool grown = false;
        for (std::size_t l = 0; l < weights.size(); ++l) {
            if (!dense[l]) {
                densities[l] = epsilon * erk_ratio(weights[l]);
            }
        }
        const auto densest = std::ranges::max(densities);
        for (std::size_t l = 0; l < weights.size(); ++l) {
            if (densest > 1.0 && densities[l] == densest) {
                dense[l] = true;
                densities[l] = 1.0;
                grown = true;
            }
        }
        if (!grown) {
            return densities;
        }
    }
}

std::vector<std::size_t> alive_per_layer(const parameter_layout& layout,
                                         const std::vector<double>& densities) {
    std::vector<std::size_t> alive;
    for (std::size_t l = 0; l < densities.size(); ++l) {
        const auto size = static_cast<double>(layout.weights()[l].size);
        alive.push_back(static_cast<std::size_t>(std::llround(densities[l] * size)));
    }
    return alive;
}

mask random_mask(const parameter_layout& layout, const std::vector<double>& densities,
                 random_stream& random) {
    mask drawn(layout.prunable_size(), false);
    std::vector<std::uint32_t> positions;
    const auto alive_in = alive_per_layer(layout, densities);
    for (std::size_t l = 0; l < densities.size(); ++l) {
        const auto& p = layout.weights()[l];
        const std::size_t alive = alive_in[l];
        positions.resize(p.size);
        std::iota(positions.begin(), positions.end(), 0U);
        for (std::size_t i = 0; i < alive; ++i) {
            const auto left = static_cast<std::uint32_t>(p.size - i);
            std::swap(positions[i], positions[i + random.below(left)]);
            drawn.set(p.offset + positions[i], true);
        }
    }
    return drawn;
}

void scale_to_density(const parameter_layout& layout, const mask& m, std::span<float> weights) {
    const auto densities = layer_densities(m, layout);
    for (std::size_t l = 0; l < densities.size(); ++l) {
        const auto& p = layout.weights()[l];
        const auto root = static_cast<float>(std::sqrt(densities[l]));
        for (float& w : weights.subspan(p.offset, densities[l] > 0 ? p.size : 0)) {
            w /= root;
        }
    }
}

} // namespace feddip::sparse
