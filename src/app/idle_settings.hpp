// Settings that do nothing, since another has switched off what they are for.
#pragma once

#include "config/config.hpp"

#include <string>
#include <vector>

namespace feddip::app {

// Each that differs from its default all the same, as `attack.clients = 4 does nothing: attack.kind is
// "none"`, and a method that changes no mask in so few rounds. They are no errors: a study varies the switch
// and leaves the rest as it is.
std::vector<std::string> idle_settings(const config::run_config& config);

} // namespace feddip::app
