// What rank 0 does between the last upload and the next download.
#pragma once

#include "fl/experiment.hpp"
#include "fl/round.hpp"

#include <optional>

namespace feddip::fl {

struct aggregate;

struct server_report {
    double mask_change = 0;   // share of prunable weights whose state changed
    double pruning_error = 0; // ||w - w'||^2 / ||w||^2 over the averaged weights w that were uploaded
    std::optional<versioned_mask> replaced = std::nullopt; // the mask before, where it changed
};

// w_{t+1} is the average, then reconfigured where the plan says so, then pruned to w'_{t+1}, in `model`.
server_report finish_round(const method& how, const round_plan& plan, const parameter_layout& layout,
                           aggregate average, global_model& model);

class server {
public:
    explicit server(workplace& here) : here_(here) {}

    // On rank 0: the round is finished; without an average the model stays as it is.
    void reconfigure(std::optional<aggregate> average, ongoing_round& now, run_state& state);

    // Collective: every rank's model becomes rank 0's.
    void publish(ongoing_round& now, run_state& state);

private:
    workplace& here_;
    std::optional<versioned_mask> replaced_; // which the other ranks still hold
};

// Collective: every rank's model becomes rank 0's. `known` is the mask that all ranks hold; null when they
// hold none.
void broadcast_model(workplace& here, run_state& state, const versioned_mask* known);

} // namespace feddip::fl
