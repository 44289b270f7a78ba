// The rules there are, each in the file of its name.
#pragma once

#include "fl/aggregation/aggregation.hpp"

namespace feddip::fl {

std::unique_ptr<aggregation_rule> make_mean(const config::run_config& config);
// With privacy.clip, in place of the mean.
std::unique_ptr<aggregation_rule> make_private_mean(const config::run_config& config);
// With privacy.secure_sum, in place of either.
std::unique_ptr<aggregation_rule> make_secure_sum(const config::run_config& config);
std::unique_ptr<aggregation_rule> make_median(const config::run_config& config);
std::unique_ptr<aggregation_rule> make_trimmed_mean(const config::run_config& config);
std::unique_ptr<aggregation_rule> make_krum(const config::run_config& config);
std::unique_ptr<aggregation_rule> make_multi_krum(const config::run_config& config);
std::unique_ptr<aggregation_rule> make_geometric_median(const config::run_config& config);
std::unique_ptr<aggregation_rule> make_centered_clipping(const config::run_config& config);
std::unique_ptr<aggregation_rule> make_norm_bound(const config::run_config& config);

} // namespace feddip::fl
