// How unequal weights are, and how many of them that lets one prune ("Pruning Deep Neural Networks from a
// Sparsity Perspective", Diao et al. 2023).
#pragma once

#include "sparse/mask.hpp"

#include <cstddef>
#include <span>

namespace feddip::sparse {

// The PQ index 1 - d^(1/q - 1/p) ||w||_p / ||w||_q of d values, with p = 1/2 and q = 1:
// 1 - (sum of sqrt|w|)^2 / (d sum of |w|), from 0 where all are equally large to 1 - 1/d where one alone is
// not 0. 0 where all are, or there are none.
double pq_index(std::span<const float> values);

// How many of the values that index keeps: ceil(d (1 - index)), but never less than a tenth of them.
std::size_t kept_by_pq_index(std::span<const float> values);

// Of the `alive` weights of each prunable tensor as many stay, the largest.
mask prune_by_pq_index(const parameter_layout& layout, std::span<const float> values, const mask& alive);

} // namespace feddip::sparse
