// What rank 0 does between the last upload and the next download.
#pragma once

#include "fl/method.hpp"
#include "fl/state.hpp"

#include <span>

namespace feddip::fl {

struct server_report {
    double mask_change = 0;   // share of prunable weights whose state changed
    double pruning_error = 0; // ||w - w'||^2 / ||w||^2 over the averaged weights w that were uploaded
};

// w_{t+1} = total / samples, then reconfigured where the plan says so, then pruned to w'_{t+1}, in `model`.
// `total` is what update_sum::finish gave.
server_report finish_round(const method& how, const round_plan& plan, const parameter_layout& layout,
                           std::span<const float> total, std::uint64_t samples, global_model& model);

} // namespace feddip::fl
