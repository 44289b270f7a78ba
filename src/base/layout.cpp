#include "base/layout.hpp"

#include "base/error.hpp"
#include "base/random.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace feddip {

namespace {

int part(role what) {
    return what == role::weight ? 0 : what < role::running_mean ? 1 : 2;
}

} // namespace

parameter_layout::parameter_layout(std::vector<parameter> declared) : parameters_(std::move(declared)) {
    std::ranges::stable_sort(parameters_, {}, [](const parameter& p) { return part(p.what); });
    for (auto& p : parameters_) {
        p.offset = size_;
        p.size = static_cast<std::size_t>(
            std::accumulate(p.shape.begin(), p.shape.end(), std::int64_t{1}, std::multiplies<>()));
        size_ += p.size;
        trainable_size_ += p.trainable() ? p.size : 0;
        prunable_size_ += p.prunable() ? p.size : 0;
        weight_tensors_ += p.prunable() ? 1 : 0;
    }
}

const parameter& parameter_layout::named(std::string_view name) const {
    const auto found = std::ranges::find(parameters_, name, &parameter::name);
    if (found == parameters_.end()) {
        throw error("unknown parameter", name, "the model has no parameter of that name");
    }
    return *found;
}

void initialize(const parameter_layout& layout, std::uint64_t seed, std::span<float> state) {
    std::uint32_t index = 0;
    for (const auto& p : layout.parameters()) {
        auto values = state.subspan(p.offset, p.size);
        switch (p.what) {
        case role::weight:
        case role::bias: {
            // The parameter's index stands in the stream's client slot: each tensor has its own stream.
            random_stream random(seed, 0, index, purpose::initialization);
            const float bound = 1.0F / std::sqrt(static_cast<float>(p.fan_in));
            std::ranges::generate(values, [&] { return bound * (2.0F * random.uniform() - 1.0F); });
            break;
        }
        case role::norm_scale:
        case role::running_variance:
            std::ranges::fill(values, 1.0F);
            break;
        case role::norm_shift:
        case role::running_mean:
            std::ranges::fill(values, 0.0F);
            break;
        }
        ++index;
    }
}

} // namespace feddip
