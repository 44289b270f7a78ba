// Data-free start masks.
#pragma once

#include "base/layout.hpp"
#include "base/random.hpp"
#include "sparse/mask.hpp"

#include <span>
#include <vector>

namespace feddip::sparse {

// Erdos-Renyi-kernel densities (Evci et al. 2020), one per prunable tensor: min(1, eps * sum(shape) /
// prod(shape)), with eps solved so that the whole network has density 1 - sparsity.
std::vector<double> erk_densities(const parameter_layout& layout, double sparsity);

// round(density * size) of each prunable tensor.
std::vector<std::size_t> alive_per_layer(const parameter_layout& layout,
                                         const std::vector<double>& densities);

// round(density * size) positions of each prunable tensor, uniformly at random.
mask random_mask(const parameter_layout& layout, const std::vector<double>& densities, random_stream& random);

// Divides the weights of each prunable tensor by the root of its density, so that what a neuron sums up keeps
// the variance that it has without the mask (for inputs alike). `weights` are m.size() floats, 0 where
// pruned.
void scale_to_density(const parameter_layout& layout, const mask& m, std::span<float> weights);

} // namespace feddip::sparse
