#include "app/expected_positions.hpp"

#include "fl/state.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>

namespace feddip::app {

double log2_choose(double n, double k) {
    const double log_of_choices = std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
    return std::max(0.0, log_of_choices / std::numbers::ln2);
}

expected_positions::expected_positions(const parameter_layout& layout, const sparse::mask& start, int clients,
                                       bool nested)
    : layout_(&layout), nested_(nested), held_(static_cast<std::size_t>(clients)) {
    for (const auto& weights : layout.weights()) {
        sizes_.push_back(static_cast<double>(weights.size));
    }
    const auto densities = sparse::layer_densities(start, layout);
    std::ranges::transform(sizes_, densities, std::back_inserter(start_), std::multiplies());
    masks_.push_back(sizes_);
    if (start.count() != start.size()) {
        masks_.push_back(start_);
    }
}

void expected_positions::reconfigure(double alive) {
    masks_.push_back(largest(alive));
}

double expected_positions::charge(int client) {
    auto& held = held_[static_cast<std::size_t>(client)];
    const std::size_t now = masks_.size() - 1;
    if (held == now) {
        return 0;
    }
    const bool remembered = now - held <= fl::remembered_masks;
    const double bytes = code_bytes(masks_[now], remembered ? masks_[held] : sizes_);
    held = now;
    return bytes;
}

double expected_positions::of_upload(double alive) const {
    return code_bytes(largest(alive), masks_.back());
}

// Bisection for the magnitude that so many weights exceed.
alive_by_layer expected_positions::largest(double alive) const {
    const auto above = [&](double magnitude) {
        alive_by_layer left = start_;
        for (std::size_t l = 0; l < left.size(); ++l) {
            const auto fan_in = static_cast<double>(layout_->weights()[l].fan_in);
            left[l] *= std::max(0.0, 1 - magnitude * std::sqrt(fan_in));
        }
        return left;
    };
    double low = 0;
    double high = 1;
    for (int halvings = 0; halvings < 50; ++halvings) {
        const double middle = (low + high) / 2;
        const auto left = above(middle);
        (std::accumulate(left.begin(), left.end(), 0.0) > alive ? low : high) = middle;
    }
    return above(low);
}

// Of `mask` for one who holds `base`: layer by layer what is smaller, afresh or as the difference.
double expected_positions::code_bytes(const alive_by_layer& mask, const alive_by_layer& base) const {
    double bits = 0;
    for (std::size_t l = 0; l < mask.size(); ++l) {
        const double fresh = log2_choose(sizes_[l], mask[l]);
        bits += nested_ && mask[l] <= base[l] ? std::min(fresh, log2_choose(base[l], mask[l])) : fresh;
    }
    return bits / 8;
}

} // namespace feddip::app
