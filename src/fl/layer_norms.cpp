#include "fl/layer_norms.hpp"

#include "base/floats.hpp"

#include <cmath>

namespace feddip::fl {

namespace {

std::vector<double> norms_of(const parameter_layout& layout, std::span<const float> values) {
    std::vector<double> norms;
    for (const auto& p : layout.weights()) {
        norms.push_back(std::sqrt(squared_norm(values.subspan(p.offset, p.size))));
    }
    return norms;
}

} // namespace

layer_norm_report measure_layer_norms(const parameter_layout& layout, const sparse::mask& m,
                                      std::span<const float> weights, std::span<const float> gradient) {
    std::vector<float> alive(layout.prunable_size());
    sparse::apply(m, gradient.first(alive.size()), alive);
    return {.weights = norms_of(layout, weights),
            .gradients = norms_of(layout, gradient),
            .alive_gradients = norms_of(layout, alive)};
}

} // namespace feddip::fl
