// How training and test images are dealt to clients.
#pragma once

#include "config/config.hpp"
#include "data/dataset.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace feddip::data {

// For each client the indices of its images, ascending. No image belongs to two clients.
struct partition {
    std::vector<std::vector<std::uint32_t>> train, test;
    std::size_t clients() const { return train.size(); }
};

// iid: each class dealt out evenly, in random order: in turn, and the next class goes on where the last one
// stopped, so that clients differ by at most one image of a class and by at most one in all.
//
// pathological: `classes_per_client` classes per client, each class split over equally many clients in nearly
// equal parts; the test share has the client's own classes. input_error unless clients x classes_per_client
// is a multiple of the number of classes.
//
// dirichlet: per class, shares over the clients from Dir(alpha), the same for training and test images; a
// client that already has its N_samples/N training images takes no more; drawn again until every client has
// at least 100 training images and one test image (input_error after 1000 draws).
//
// given: as the dataset says, client by client; input_error where it does not say, or has another number of
// clients. A client may be without test images.
//
// Every client has at least one training image, else input_error.
// A pure function of the labels, the settings and the seed.
partition make_partition(const dataset& data, const config::data_section& settings, int clients,
                         std::uint64_t seed);

// Throws input_error where such a data set, whatever its labels, can't be dealt to as many clients.
void ensure_enough_for(int clients, const config::data_section& settings, const dataset_facts& facts);

// A table for people, one line per client: images, and a bar per class, as high as its share of the client's
// largest class. Clients beyond `most_lines` are left out and counted.
std::string describe(const partition& p, const dataset& data, std::size_t most_lines = 50);

} // namespace feddip::data
