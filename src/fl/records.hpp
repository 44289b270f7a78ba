// What rank 0 writes down of the clients of a round.
#pragma once

#include "fl/participant.hpp"
#include "fl/state.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace feddip::fl {

// A record for each sampled client: the next of `trained`, which are in slot order, or that it dropped out.
std::vector<client_record> records_of(const cast& who, std::span<const client_record> trained);

struct participation {
    std::uint64_t samples = 0;
    int updates = 0;
    double train_loss = 0; // mean, weighted by samples
};

// Of the clients whose updates count. Where none does: throws feddip::error, for all that answered have NaN
// or Inf; but 0 samples where fewer than `least` answered.
participation require_usable(std::span<const client_record> clients, int round, int least = 1);

} // namespace feddip::fl
