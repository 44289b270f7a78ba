// Who meets whom in a round without a server, and who waits for whom.
//
// A client gets the models of its neighbours as they were trained last. With dynamic aggregation (DA-DPFL,
// Long et al., arXiv:2404.15943) the clients of a round are ordered, and one waits for some of the neighbours
// before it, to get what they have trained in this very round. Of four clients in the order 2 0 3 1, each a
// neighbour of all others, that wait for one:
//
//     level 0: 2          level 1: 0, 3, 1, with the new model of 2 and the older ones of the others
#pragma once

#include "fl/link_model.hpp"
#include "fl/method.hpp"
#include "fl/participant.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace feddip::fl {

// Tells each of the `sampled` (by client, fault_model asked) its senders, whom it awaits, and its level. Who
// drops out receives, and doesn't send. The order of a round is one of client numbers, drawn from the seed:
// awaited are of the senders that come before the client the first `how.waits()`, by client as these.
void introduce(std::vector<participant>& sampled, const method& how, int round, std::uint64_t seed);

// Lets the work of each of the `sampled` begin when the slowest of those that it awaits is done.
void wait_for_peers(std::span<const participant> sampled, const link_model& links,
                    std::span<client_work> works);

} // namespace feddip::fl
