#include "fl/measurement.hpp"

#include "fl/convergence.hpp"
#include "fl/evaluation.hpp"

namespace feddip::fl {

bool evaluates(const config::federation_section& federation, int round) {
    return (round + 1) % federation.evaluate_every == 0 || round + 1 == federation.rounds;
}

void measurement::run(ongoing_round& now, const global_model& model) {
    const auto& [config, data, shares, clients] = here_.what;
    if (evaluates(config.federation, now.plan.round)) {
        evaluate(model, now.record);
    }
    const int analysed = config.analysis.convergence_every;
    if (analysed > 0 && (now.plan.round + 1) % analysed == 0) {
        const auto gradients = measure_gradients(model, data, shares, here_.network, here_.ranks,
                                                 config.federation.seed, now.plan.round);
        now.record.grad_norm_squared = gradients.norm_squared;
        now.record.gradient_divergence = gradients.divergence;
    }
    now.record.seconds_evaluate = now.phase.lap();
}

void measurement::evaluate(const global_model& model, round_record& record) {
    const auto measured = fl::evaluate(model, here_.what.data, here_.network, here_.ranks);
    if (!here_.at_server()) {
        return;
    }
    record.test_accuracy = measured.accuracy;
    record.test_loss = measured.loss;
    record.test_top5_accuracy = measured.top5_accuracy;
    if (here_.what.config.data.partition != config::partition_kind::iid) {
        const auto by_client = accuracy_by_client(measured, here_.what.shares);
        record.test_accuracy = mean_of_measured(by_client);
        for (auto& c : record.clients) {
            c.accuracy = by_client[static_cast<std::size_t>(c.id)];
        }
    }
}

} // namespace feddip::fl
