#include "fl/methods/common.hpp"

#include "sparse/schedules.hpp"

namespace feddip::fl {

round_plan averaging_round(const config::run_config& config, int round) {
    const auto& optimizer = config.optimizer;
    const auto& communication = config.communication;
    // The residual of topk_residual holds whole weights, which ordinary rounds must not add.
    const bool residual_is_free =
        communication.reconfiguration_upload != config::reconfiguration_upload_kind::topk_residual;
    return {.round = round,
            .sgd = {.learning_rate = static_cast<float>(
                        sparse::learning_rate_at(round, optimizer.learning_rate, optimizer.decay)),
                    .weight_decay = static_cast<float>(optimizer.weight_decay),
                    .regularization = 0.0F},
            .values = communication.value_type,
            .keeps_residual = communication.value_type == config::value_kind::bf16 && residual_is_free};
}

} // namespace feddip::fl
