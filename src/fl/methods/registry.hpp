// The methods there are, each in the file of its name.
#pragma once

#include "fl/method.hpp"

namespace feddip::fl {

std::unique_ptr<method> make_dadpfl(const config::run_config& config);
std::unique_ptr<method> make_dispfl(const config::run_config& config);
std::unique_ptr<method> make_fedavg(const config::run_config& config);
std::unique_ptr<method> make_feddip(const config::run_config& config);
std::unique_ptr<method> make_fedprox(const config::run_config& config);
std::unique_ptr<method> make_feddst(const config::run_config& config);
std::unique_ptr<method> make_flash(const config::run_config& config);
std::unique_ptr<method> make_prunefl(const config::run_config& config);
std::unique_ptr<method> make_prunetrain(const config::run_config& config);
std::unique_ptr<method> make_snip(const config::run_config& config);

} // namespace feddip::fl
