#include "fl/measurement.hpp"

#include "fl/convergence.hpp"
#include "fl/evaluation.hpp"
#include "fl/first_client.hpp"
#include "fl/layer_norms.hpp"

#include <utility>

namespace feddip::fl {

namespace {

bool is_due(int every, int round) {
    return every > 0 && (round + 1) % every == 0;
}

} // namespace

bool evaluates(const workplace& here, int round) {
    return (round + 1) % here.what.config.federation.evaluate_every == 0 || round + 1 == here.rounds();
}

void measurement::run(ongoing_round& now, run_state& state) {
    masks_.follow(now, state);
    const auto& model = state.model;
    const auto& [config, data, shares, clients, key] = here_.what;
    if (evaluates(here_, now.plan.round)) {
        evaluate(model, now.plan.round, now.record);
        now.record.attack_success = attack_.at(model);
    }
    if (is_due(config.analysis.convergence_every, now.plan.round)) {
        const auto gradients = measure_gradients(model, data, shares, here_.network, here_.ranks,
                                                 config.federation.seed, now.plan.round);
        now.record.grad_norm_squared = gradients.norm_squared;
        now.record.gradient_divergence = gradients.divergence;
    }
    if (here_.at_server() && is_due(config.analysis.layer_norms_every, now.plan.round)) {
        measure_layers(model, now.plan.round, now.record);
    }
    now.record.seconds_evaluate = now.phase.lap();
}

void measurement::evaluate(const global_model& model, int round, round_record& record) {
    const auto pool = here_.drift.pool(round);
    const auto measured = fl::evaluate(model, pool, here_.network, here_.ranks);
    if (!here_.at_server()) {
        return;
    }
    record.test_accuracy = measured.accuracy;
    record.test_loss = measured.loss;
    record.test_top5_accuracy = measured.top5_accuracy;
    if (here_.what.config.analysis.class_accuracy) {
        record.class_accuracy = accuracy_by_class(measured, pool, here_.what.data);
    }
    // Which shares of the test set clients have follows from their own data.
    if (here_.what.config.data.partition != config::partition_kind::iid && !here_.guarantee) {
        const auto by_client = accuracy_by_client(measured, pool, here_.what.shares);
        record.test_accuracy = mean_of_measured(by_client);
        for (auto& c : record.clients) {
            c.accuracy = by_client[static_cast<std::size_t>(c.id)];
        }
    }
}

// The gradient is that of one minibatch of the first client.
void measurement::measure_layers(const global_model& model, int round, round_record& record) {
    const auto gradient = here_.trainer.gradient(model.state, round, first_client::id,
                                                 here_.drift.images_of(first_client::id, round));
    auto norms = measure_layer_norms(here_.layout, model.mask, model.state, gradient);
    record.layer_weight_norm = std::move(norms.weights);
    record.layer_gradient_norm = std::move(norms.gradients);
    record.layer_alive_gradient_norm = std::move(norms.alive_gradients);
}

} // namespace feddip::fl
