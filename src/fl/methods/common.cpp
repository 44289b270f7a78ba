#include "fl/methods/common.hpp"

#include "base/random.hpp"
#include "sparse/schedules.hpp"
#include "sparse/start.hpp"

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

double scheduled_sparsity(const config::run_config& config, int round) {
    return sparse::sparsity_at(round, config.federation.rounds, config.sparsity.initial,
                               config.sparsity.target);
}

std::vector<double> start_densities(const config::run_config& config, const parameter_layout& layout,
                                    double sparsity) {
    return config.sparsity.start == config::start_kind::erk
               ? sparse::erk_densities(layout, sparsity)
               : std::vector<double>(layout.weights().size(), 1.0 - sparsity);
}

sparse::mask draw_start_mask(const config::run_config& config, const parameter_layout& layout,
                             double sparsity, std::uint32_t owner) {
    random_stream random(config.federation.seed, 0, owner, purpose::start_mask);
    return sparse::random_mask(layout, start_densities(config, layout, sparsity), random);
}

} // namespace feddip::fl
