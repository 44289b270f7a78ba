// Who takes part in a round, and on which rank: pure functions, so that every rank knows without being told.
#pragma once

#include "config/config.hpp"
#include "privacy/secret.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace feddip::fl {

// `count` of the clients 0 .. clients - 1, uniformly without replacement, ascending. Slot s is the s-th of
// them.
std::vector<int> sample_clients(std::uint64_t seed, int round, int clients, int count);

// The same where nobody may know who takes part: from a key, not the seed. With Poisson sampling each client
// is drawn with probability count / clients, independently, so that there may be none.
std::vector<int> sample_secretly(const privacy::secret& key, int round, int clients, int count,
                                 config::sampling_kind how);

// Those of `clients` that leave the round, each with `probability`: which of them came may be known no more
// than who was drawn.
std::vector<int> drop_out_secretly(const privacy::secret& key, int round, std::vector<int> clients,
                                   double probability);

// `count` of the other clients in `sampled`, or all of them where they are fewer, uniformly without
// replacement, ascending: those whose models `client` gets, where there is no server.
std::vector<int> neighbours_of(std::uint64_t seed, int round, std::span<const int> sampled, int client,
                               int count);

// The rank of each slot: consecutive slots to consecutive ranks first_rank .. ranks - 1, such that the
// largest load (sum of `work` on one rank) is as small as consecutive placement allows.
std::vector<int> assign_slots(std::span<const std::uint64_t> work, int ranks, int first_rank);

} // namespace feddip::fl
