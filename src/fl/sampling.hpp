// Who takes part in a round, and on which rank: pure functions, so that every rank knows without being told.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace feddip::fl {

// `count` of the clients 0 .. clients - 1, uniformly without replacement, ascending. Slot s is the s-th of
// them.
std::vector<int> sample_clients(std::uint64_t seed, int round, int clients, int count);

// The rank of each slot: consecutive slots to consecutive ranks first_rank .. ranks - 1, such that the
// largest load (sum of `work` on one rank) is as small as consecutive placement allows.
std::vector<int> assign_slots(std::span<const std::uint64_t> work, int ranks, int first_rank);

} // namespace feddip::fl
