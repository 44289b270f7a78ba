// What no single key can tell: values that contradict each other.
#pragma once

#include "config/config.hpp"

#include <string>

namespace feddip::config {

// Throws input_error naming `where` and both values.
void validate(const run_config& c, const std::string& where);

} // namespace feddip::config
