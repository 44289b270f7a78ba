#pragma once

#include "fl/method.hpp"

namespace feddip::fl {

std::unique_ptr<method> make_feddip(const config::run_config& config);

} // namespace feddip::fl
