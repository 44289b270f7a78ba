// Magnitude pruning.
#pragma once

#include "sparse/mask.hpp"

#include <cstddef>
#include <span>

namespace feddip::sparse {

// Prunes exactly the round(sparsity * n) values of smallest magnitude, ranked over all n at once; among equal
// magnitudes the lower position is pruned first, so that the result is unique. O(n). Values must be finite.
mask prune_smallest(std::span<const float> values, double sparsity);
// The same, sorting everything: what the fast one is tested against.
mask prune_smallest_reference(std::span<const float> values, double sparsity);

// The `count` <= n values of largest magnitude stay alive, ties and cost as above.
mask keep_largest(std::span<const float> values, std::size_t count);
// The same for each prunable tensor by itself: counts[l] of its weights stay.
mask keep_largest_per_layer(const parameter_layout& layout, std::span<const float> values,
                            std::span<const std::size_t> counts);

// Of the weights of each prunable tensor that are `alive`, the floor(share * count) of smallest magnitude go;
// one share for all tensors, or one for each.
mask drop_smallest_per_layer(const parameter_layout& layout, std::span<const float> values, const mask& alive,
                             std::span<const double> shares);
mask drop_smallest_per_layer(const parameter_layout& layout, std::span<const float> values, const mask& alive,
                             double share);

// `count` stay alive: the `fresh` of largest magnitude that are not in `alive`, or as many as there are, and
// the largest that are; more fresh ones, where these are too few.
mask regrow_largest(std::span<const float> values, const mask& alive, std::size_t count, std::size_t fresh);

// prune_smallest over all tensors at once, but the floor(least * size) largest of each stay: the others are
// ranked for what is left. `least` <= 1 - sparsity. Weights that are 0, as pruned ones are, have no floor.
mask prune_smallest_above_floor(const parameter_layout& layout, std::span<const float> values,
                                double sparsity, double least);

} // namespace feddip::sparse
