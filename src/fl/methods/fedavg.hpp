#pragma once

#include "fl/method.hpp"

namespace feddip::fl {

std::unique_ptr<method> make_fedavg(const config::run_config& config);

} // namespace feddip::fl
