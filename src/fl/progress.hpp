// How far this rank's clients are within a round.
#pragma once

#include "fl/experiment.hpp"
#include "fl/participant.hpp"

#include <functional>

namespace feddip::fl {

// To be called after each minibatch of this rank's clients: tells the observers on rank 0.
std::function<void()> progress_of(int round, const cast& who, const workplace& here);

} // namespace feddip::fl
