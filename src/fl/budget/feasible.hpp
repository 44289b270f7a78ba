// What a budget comes to, before anything is started.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "fl/method.hpp"

#include <span>
#include <vector>

namespace feddip::fl {

// Of a client of one class of [links] with the mean of the training images. Without positions, unless parts
// change while the mask stays (budget.rotate, budget.ranked_every). All but the share is NaN where the class
// is so small that no client is in it.
struct class_budget {
    double share = 0;           // of the clients
    double first = 1, last = 1; // share of the prunable weights that it holds in the first and last round
    double first_seconds = 0, last_seconds = 0; // of these rounds; NaN where no links are modelled
    // Also the weights outside the mask, in the first round that trains them; true where none does.
    bool carries_all = true;
};

// By class. With a deadline it is what the controller settles at. Throws input_error for a budget that the
// method can't honour, or that not even one weight of each layer keeps.
std::vector<class_budget> budgets_by_class(const config::run_config& config, const method& how,
                                           const parameter_layout& layout, double images_per_client);

// A client that no part of the model lets keep the deadline, for it trains for longer.
struct late_client {
    int client = 0;
    double images = 0, seconds = 0; // of a round with the smallest part
};

// Of clients with so many images each, where there is a deadline that parts are cut to; by the times of
// [links].
std::vector<late_client> never_in_time(const config::run_config& config, const method& how,
                                       const parameter_layout& layout, std::span<const double> images);

} // namespace feddip::fl
