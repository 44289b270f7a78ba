// Layer-adaptive magnitudes.
#pragma once

#include "base/layout.hpp"

#include <span>
#include <vector>

namespace feddip::sparse {

// LAMP (Lee et al. 2021, equation 4): the square of each prunable weight over the sum of the squares of its
// tensor's weights from it on, in ascending order of magnitude; among equal magnitudes the lower position
// comes first. In (0, 1], 1 for a tensor's largest, so that ranking all scores at once leaves each tensor
// one; 0 for weights that are 0. `weights` has layout.prunable_size() finite values. O(n log n).
std::vector<float> lamp_scores(const parameter_layout& layout, std::span<const float> weights);

} // namespace feddip::sparse
