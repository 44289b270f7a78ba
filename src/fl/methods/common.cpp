#include "fl/methods/common.hpp"

#include "base/random.hpp"
#include "sparse/magnitude.hpp"
#include "sparse/schedules.hpp"
#include "sparse/start.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace feddip::fl {

namespace {

// In one tensor: alive are the `keep` largest weights of the mask, and as many others with the largest
// gradients as are missing from its count.
void drop_and_regrow(const parameter& tensor, const trained_client& client, std::span<const float> gradient,
                     double share, sparse::mask& into) {
    std::vector<std::size_t> active, free;
    for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
        (client.mask[i] ? active : free).push_back(i);
    }
    const auto drop = static_cast<std::size_t>(std::llround(share * static_cast<double>(active.size())));

    const auto chosen = [](std::span<const float> of, const std::vector<std::size_t>& among,
                           std::size_t count) {
        std::vector<float> values;
        for (const std::size_t i : among) {
            values.push_back(of[i]);
        }
        return sparse::keep_largest(values, count);
    };
    const auto kept = chosen(client.weights, active, active.size() - drop);
    for (std::size_t k = 0; k < active.size(); ++k) {
        into.set(active[k], kept[k]);
        if (!kept[k]) {
            free.push_back(active[k]);
        }
    }
    chosen(gradient, free, drop).for_each_alive([&](std::size_t k) { into.set(free[k], true); });
}

} // namespace

round_plan averaging_round(const config::run_config& config, int round) {
    const auto& optimizer = config.optimizer;
    const auto& communication = config.communication;
    // FedDIP's residual of topk_residual holds whole weights, which ordinary rounds must not add.
    const bool residual_is_free =
        config.method.name != "feddip" ||
        communication.reconfiguration_upload != config::reconfiguration_upload_kind::topk_residual;
    return {.round = round,
            .sgd = {.learning_rate = static_cast<float>(
                        sparse::learning_rate_at(round, optimizer.learning_rate, optimizer.decay)),
                    .weight_decay = static_cast<float>(optimizer.weight_decay),
                    .regularization = 0.0F},
            .values = communication.value_type,
            .keeps_residual = communication.value_type == config::value_kind::bf16 && residual_is_free};
}

round_plan round_at_target(const config::run_config& config, int round) {
    auto plan = averaging_round(config, round);
    plan.target_sparsity = config.sparsity.target;
    return plan;
}

round_plan with_own_masks(round_plan plan) {
    plan.reconfigures = true;
    plan.upload = upload_content::own_mask;
    plan.keeps_residual = false;
    return plan;
}

int changing_rounds(const config::run_config& config) {
    return config.federation.rounds - config::final_rounds_of(config);
}

double scheduled_sparsity(const config::run_config& config, int round) {
    const int changing = changing_rounds(config);
    return is_last_change(config, round) || round >= changing
               ? config.sparsity.target
               : sparse::sparsity_at(round, changing, config.sparsity.initial, config.sparsity.target);
}

bool is_last_change(const config::run_config& config, int round) {
    return config::final_rounds_of(config) > 0 && round == changing_rounds(config) - 1;
}

bool on_horizon(const config::run_config& config, int round) {
    const int shifted = config.method.variant == config::variant_kind::authors ? round + 1 : round;
    return shifted % config.sparsity.horizon == 0 && round < changing_rounds(config);
}

bool on_schedule(const config::run_config& config, int round) {
    return on_horizon(config, round) || is_last_change(config, round);
}

std::vector<double> start_densities(const config::run_config& config, const parameter_layout& layout,
                                    double sparsity) {
    return config.sparsity.start == config::start_kind::erk
               ? sparse::erk_densities(layout, sparsity)
               : std::vector<double>(layout.weights().size(), 1.0 - sparsity);
}

std::vector<std::size_t> kept_per_layer(const config::run_config& config, const parameter_layout& layout) {
    return sparse::alive_per_layer(layout, start_densities(config, layout, config.sparsity.target));
}

std::size_t kept_in_all(const config::run_config& config, const parameter_layout& layout) {
    const auto counts = kept_per_layer(config, layout);
    return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
}

sparse::mask draw_start_mask(const config::run_config& config, const parameter_layout& layout,
                             double sparsity, std::uint32_t owner) {
    random_stream random(config.federation.seed, 0, owner, purpose::start_mask);
    return sparse::random_mask(layout, start_densities(config, layout, sparsity), random);
}

double falling_share(double share, int round, int rounds) {
    return share / 2 * (1 + std::cos(std::numbers::pi * round / rounds));
}

std::vector<float> magnitudes_or_votes(const averages& received) {
    std::vector<float> rank(received.weights.size());
    for (std::size_t i = 0; i < rank.size(); ++i) {
        const float votes = std::numeric_limits<float>::min() * received.senders[i];
        rank[i] = std::max(std::abs(received.weights[i]), votes);
    }
    return rank;
}

sparse::mask readjusted_mask(const trained_client& client, double share, int round, int rounds) {
    const double now = falling_share(share, round, rounds);
    const auto gradient = client.gradient();
    sparse::mask own = client.mask;
    for (const auto& tensor : client.layout.weights()) {
        drop_and_regrow(tensor, client, gradient, now, own);
    }
    return own;
}

} // namespace feddip::fl
