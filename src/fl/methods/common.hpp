// What most methods do alike.
#pragma once

#include "config/config.hpp"
#include "fl/method.hpp"

namespace feddip::fl {

// Round `round` of plain federated averaging: the learning rate's decay, weight decay, no regularization, the
// values' type and, where they are rounded, error feedback. A method changes what it does otherwise.
round_plan averaging_round(const config::run_config& config, int round);

} // namespace feddip::fl
