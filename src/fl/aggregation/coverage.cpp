#include "fl/aggregation/coverage.hpp"

namespace feddip::fl {

void count_samples(sparse::ladder_part part, std::uint32_t samples, std::span<float> into) {
    for (std::size_t rung = 0; rung < into.size(); ++rung) {
        into[rung] = part.holds(static_cast<int>(rung)) ? static_cast<float>(samples) : 0.0F;
    }
}

void average_trained(std::span<const std::uint16_t> rung_of, std::span<const float> samples_on,
                     std::span<const float> before, std::span<float> sums) {
    for (std::size_t i = 0; i < sums.size(); ++i) {
        const float samples = samples_on[rung_of[i]];
        sums[i] = samples > 0 ? sums[i] / samples : before[i];
    }
}

void record_coverage(const parameter_layout& layout, const sparse::ladder& ladder,
                     std::span<const float> samples_on, std::uint64_t samples, aggregate& all) {
    const auto rung_of = ladder.rung_of();
    double covered = 0;
    std::size_t alive = 0;
    for (const auto& tensor : layout.weights()) {
        double covered_here = 0;
        std::size_t alive_here = 0;
        for (const auto rung : rung_of.subspan(tensor.offset, tensor.size)) {
            if (rung > 0) {
                covered_here += samples_on[rung];
                ++alive_here;
            }
        }
        all.layer_coverage.push_back(covered_here /
                                     (static_cast<double>(alive_here) * static_cast<double>(samples)));
        covered += covered_here;
        alive += alive_here;
    }
    all.coverage = covered / (static_cast<double>(alive) * static_cast<double>(samples));
}

} // namespace feddip::fl
