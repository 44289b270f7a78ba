#include "fl/intersection_average.hpp"

#include <utility>

namespace feddip::fl {

intersection_average::intersection_average(const parameter_layout& layout)
    : layout_(&layout), sum_(layout.size()), alive_in_(layout.prunable_size()) {}

void intersection_average::add(const global_model& model) {
    ++models_;
    model.mask.for_each_alive([&](std::size_t i) {
        sum_[i] += model.state[i];
        ++alive_in_[i];
    });
    for (std::size_t i = layout_->prunable_size(); i < sum_.size(); ++i) {
        sum_[i] += model.state[i];
    }
}

intersection_average::result intersection_average::pruned_to(sparse::mask mask) {
    double before = 0;
    double after = 0;
    for (std::size_t i = 0; i < sum_.size(); ++i) {
        const bool prunable = i < alive_in_.size();
        const auto models = prunable ? alive_in_[i] : static_cast<std::uint32_t>(models_);
        if (models > 0) {
            sum_[i] /= static_cast<float>(models);
        }
        if (prunable) {
            const double square = static_cast<double>(sum_[i]) * sum_[i];
            before += square;
            after += mask[i] ? square : 0;
        }
    }
    sparse::apply(mask, std::span(sum_).first(mask.size()));
    return {.model = {.state = std::move(sum_), .mask = std::move(mask)},
            .pruning_error = before > 0 ? (before - after) / before : 0.0};
}

} // namespace feddip::fl
