// The accuracy of the global model, measured by all ranks together, and of clients' own.
#pragma once

#include "data/batches.hpp"
#include "data/dataset.hpp"
#include "data/partition.hpp"
#include "data/test_pool.hpp"
#include "fl/state.hpp"
#include "fl/transport.hpp"
#include "nn/network.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::fl {

struct evaluation {
    double accuracy = not_measured; // top-1, over all images
    double loss = not_measured;     // mean cross-entropy over all images
    double top5_accuracy = not_measured;
    std::vector<std::uint8_t> correct; // [images] 1 where top-1 is right
};

// Images per pass; the pool is cut into such chunks whatever the number of ranks, so that sums keep their
// bits.
inline constexpr int evaluation_batch = 250;

// Images of the largest batch that a network is asked for: the batch size may be larger than all shares.
inline int largest_batch(const config::federation_section& federation, const data::dataset_facts& facts) {
    const auto batch = std::min(static_cast<std::size_t>(federation.batch_size), facts.train_size);
    return std::max(static_cast<int>(batch), evaluation_batch);
}

// Collective; the result is on rank 0, elsewhere everything is left unset.
evaluation evaluate(const global_model& model, const data::test_pool& pool, nn::network& network,
                    transport& ranks);

// The same of a model on some of the test images, by this rank alone; not_measured on none.
evaluation evaluate(const global_model& model, const data::dataset& data,
                    std::span<const std::uint32_t> images, nn::network& network);

// Of those values that were measured; not_measured where none was.
double mean_of_measured(std::span<const double> values);

// Accuracy of each client on what is in the pool of its own test share; not_measured where nothing is.
std::vector<double> accuracy_by_client(const evaluation& measured, const data::test_pool& pool,
                                       const data::partition& shares);

// Accuracy on the images of each class in the pool; not_measured where there are none.
std::vector<double> accuracy_by_class(const evaluation& measured, const data::test_pool& pool,
                                      const data::dataset& data);

} // namespace feddip::fl
