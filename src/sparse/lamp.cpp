#include "sparse/lamp.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>

namespace feddip::sparse {

std::vector<float> lamp_scores(const parameter_layout& layout, std::span<const float> weights) {
    std::vector<float> scores(layout.prunable_size());
    std::vector<std::uint64_t> ranked;
    for (const auto& tensor : layout.weights()) {
        ranked.clear();
        for (std::size_t i = 0; i < tensor.size; ++i) {
            // Non-negative floats are ordered as their bits are.
            const auto magnitude = std::bit_cast<std::uint32_t>(std::fabs(weights[tensor.offset + i]));
            ranked.push_back(std::uint64_t{magnitude} << 32 | i);
        }
        std::ranges::sort(ranked, std::greater{});
        double sum = 0;
        for (const std::uint64_t key : ranked) {
            const double weight = std::bit_cast<float>(static_cast<std::uint32_t>(key >> 32));
            sum += weight * weight;
            const auto i = static_cast<std::uint32_t>(key);
            scores[tensor.offset + i] = weight > 0 ? static_cast<float>(weight * weight / sum) : 0.0F;
        }
    }
    return scores;
}

} // namespace feddip::sparse
