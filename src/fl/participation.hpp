// Who trains in a round, and what is recorded of those that do and those that don't.
#pragma once

#include "config/config.hpp"
#include "data/partition.hpp"
#include "fl/faults.hpp"
#include "fl/link_model.hpp"
#include "fl/state.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::fl {

// Slot s is the s-th sampled client that doesn't drop out.
struct cast {
    std::vector<int> sampled; // ascending
    std::vector<int> clients; // [slots]
    std::vector<int> owners;  // [slots] ranks, ascending

    std::vector<std::size_t> slots_of(int rank) const; // ascending
};

// A sampled client's, but for the bytes. `images` is the size of its share.
client_work work_of(int client, double images, int round, const config::federation_section& federation,
                    const fault_model& faults);

// Whose models a sampled client gets where there is no server (method::neighbours): who drops out receives,
// and doesn't send. Ascending.
std::vector<int> senders_to(int client, std::span<const int> sampled, int round, int neighbours,
                            std::uint64_t seed, const fault_model& faults);

// A record for each sampled client: the next of `trained`, which are in slot order, or that it dropped out.
std::vector<client_record> records_of(const cast& who, std::span<const client_record> trained,
                                      const data::partition& shares);

struct participation {
    std::uint64_t samples = 0;
    double train_loss = 0; // mean, weighted by samples
};

// Of the clients whose updates count; 0 samples where all dropped out. Throws feddip::error where the updates
// of all that remain had NaN or Inf.
participation included(std::span<const client_record> clients, int round);

} // namespace feddip::fl
