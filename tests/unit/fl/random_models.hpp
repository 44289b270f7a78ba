// LeNet-5 with random masks, as messages and accounts are about.
#pragma once

#include "base/random.hpp"
#include "fl/state.hpp"
#include "nn/network.hpp"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace feddip::test {

inline const parameter_layout lenet5 = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);

inline sparse::mask random_mask(double density, std::uint32_t which) {
    random_stream random(4, which, 0, purpose::test);
    sparse::mask m(lenet5.prunable_size(), false);
    for (std::size_t i = 0; i < m.size(); ++i) {
        m.set(i, random.uniform_double() < density);
    }
    return m;
}

inline fl::global_model model_with(sparse::mask m, std::uint32_t version) {
    fl::global_model model{std::vector<float>(lenet5.size()), std::move(m), version};
    initialize(lenet5, version, model.state);
    sparse::apply(model.mask, std::span(model.state).first(lenet5.prunable_size()));
    return model;
}

} // namespace feddip::test
