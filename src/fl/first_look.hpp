// How much the first client trains before the first round.
#pragma once

#include "config/config.hpp"
#include "fl/method.hpp"

namespace feddip::fl {

// FLASH: after each of them but the last, which is left out, the mask is readjusted.
inline constexpr int flash_trainings = 10;

// PruneFL as in the program of FedDIP's authors: until it is better than chance.
struct prunefl_trainings {
    static constexpr int at_least = 6, at_most = 49;
};

// Images that so many local trainings and gradients of a minibatch take, of a client that has `images`.
double images_of_look(int trainings, int gradients, double images,
                      const config::federation_section& federation);

// The same before it happens. Of PruneFL as in the program of FedDIP's authors the least that there may be.
double expected_images_of_look(const config::run_config& config, first_look look, double images);

} // namespace feddip::fl
