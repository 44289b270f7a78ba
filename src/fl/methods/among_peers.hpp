// What the methods without a server have in common.
#pragma once

#include "config/config.hpp"

namespace feddip::fl {

// Throws input_error for settings that mean nothing where each client has a model and a mask of its own.
void require_what_peers_can_honour(const config::run_config& config);

} // namespace feddip::fl
