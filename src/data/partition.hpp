// How training and test images are dealt to clients.
#pragma once

#include "config/config.hpp"
#include "data/dataset.hpp"

#include <cstdint>
#include <vector>

namespace feddip::data {

// For each client the indices of its images, ascending. No image belongs to two clients.
struct partition {
    std::vector<std::vector<std::uint32_t>> train, test;
    std::size_t clients() const { return train.size(); }
};

// iid:          each class dealt out evenly, in random order
// pathological: `classes_per_client` classes per client, each class split over equally many clients in nearly
//               equal parts; the test share has the client's own classes
// dirichlet:    per class, shares over the clients from Dir(alpha); a client that already has its N_samples/N takes no more;
//               drawn again until every client has at least 100 training images (input_error after many draws)
// A pure function of the labels, the settings and the seed.
partition make_partition(const dataset& data, const config::data_section& settings, int clients,
                         std::uint64_t seed);

} // namespace feddip::data
