// The rules there are, each in the file of its name.
#pragma once

#include "fl/aggregation/aggregation.hpp"

namespace feddip::fl {

std::unique_ptr<aggregation_rule> make_mean(const config::run_config& config);
std::unique_ptr<aggregation_rule> make_median(const config::run_config& config);

} // namespace feddip::fl
