// The first client's look at its data before the first round (method::look): how much it trains and
// exchanges, which is charged to that round.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "fl/method.hpp"

#include <cstddef>
#include <cstdint>

namespace feddip::fl {

struct workplace;

struct start_cost {
    std::uint64_t bytes_down = 0, bytes_up = 0, positions = 0;
    double images = 0; // trained on, each as often as it was

    bool any() const { return bytes_up > 0; }
};

// On rank 0, where the method looks at data: chooses the mask of `model`, whose weights may be trained.
start_cost look_first(workplace& here, global_model& model);

// Its bytes, with a mask of `alive` weights coded in `mask_bytes`.
start_cost cost_of(first_look look, const parameter_layout& layout, std::size_t alive,
                   std::uint64_t mask_bytes);

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
