// What hostile clients that pool know: changes that have been trained honestly.
#pragma once

#include "fl/attacks/attack.hpp"

#include <vector>

namespace feddip::fl {

// Of each coordinate, over the pool, which has at least one update.
struct pool_statistics {
    std::vector<double> mean, deviation; // of the changes; sqrt of their mean squared distance from the mean
};

pool_statistics statistics_of(const attack_setting& setting);

} // namespace feddip::fl
