// What theorems on convergence speak of: the gradient of the global objective at the pruned model.
#pragma once

#include "data/dataset.hpp"
#include "data/partition.hpp"
#include "fl/state.hpp"
#include "fl/transport.hpp"
#include "nn/network.hpp"

#include <cstdint>

namespace feddip::fl {

// F is the mean cross-entropy over all training images, F_k over those of client k, p_k its share of the
// images: F = sum_k p_k F_k. Gradients are with respect to all trainable parameters, pruned weights too.
struct gradient_report {
    double norm_squared = not_measured; // ||grad F(w')||^2
    double divergence = not_measured;   // sum_k p_k ||grad F_k(w') - grad F(w')||^2, over all clients
};

// Collective; the result is on rank 0 and does not depend on the number of ranks. Images as they are, without
// augmentation, in passes of evaluation_batch; batch normalization and dropout as in training, the latter
// drawn for `round`. Costs one epoch over all training images.
gradient_report measure_gradients(const global_model& model, const data::dataset& data,
                                  const data::partition& shares, nn::network& network, transport& ranks,
                                  std::uint64_t seed, int round);

} // namespace feddip::fl
