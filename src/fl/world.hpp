// How the stages of a round are wired: around a server, or among peers.
#pragma once

#include "fl/experiment.hpp"
#include "fl/first_look.hpp"
#include "fl/round.hpp"

#include <memory>

namespace feddip::fl {

class world {
public:
    virtual ~world() = default;

    // All of it is collective.

    // Once, before the first round that there is.
    virtual void prepare(run_state&) {}

    // One round: leaves in `state` what the next one needs, and on rank 0 the record in `now`.
    virtual void run(ongoing_round& now, run_state& state) = 0;
};

// `owed` is what the start has cost, to be charged to the first round.
std::unique_ptr<world> make_served(workplace& here, const start_cost& owed);
std::unique_ptr<world> make_peers(workplace& here);

} // namespace feddip::fl
