// PruneFL (Jiang et al. 2022): one client trains alone and prunes first; then, every R rounds, clients send
// the squared gradients of all weights, and the mask takes the weights of greatest importance, squared
// gradient over time cost, down to density 1 - s_t. Weights that come back start at 0.
#include "data/dataset.hpp"
#include "fl/first_client.hpp"
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"
#include "nn/network.hpp"
#include "sparse/magnitude.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::fl {

namespace {

// Relative time that one weight of each prunable tensor costs: sending it, and computing with it. A fixed
// model, for a measurement would make the mask depend on the machine. The constant is that of the
// coefficients measured on a Raspberry Pi in the configuration of the authors' program (experiments with
// FEMNIST and CIFAR-10: 0.031 to 0.06).
std::vector<double> time_costs(const config::run_config& config) {
    constexpr double per_use = 1.0 / 32;
    const auto facts = data::facts_of(config.data.dataset);
    auto costs = nn::uses_per_weight(config.model.name, facts.shape, facts.classes);
    std::ranges::transform(costs, costs.begin(), [&](double uses) { return 1 + per_use * uses; });
    return costs;
}

class prunefl final : public method {
public:
    explicit prunefl(const config::run_config& config) : config_(config), costs_(time_costs(config)) {}

    round_plan plan(int round) const override {
        auto plan = averaging_round(config_, round);
        plan.target_sparsity = scheduled_sparsity(config_, round);
        plan.reconfigures = plan.squared_gradients = round > 0 && round % config_.sparsity.horizon == 0;
        return plan;
    }

    first_look looks_first() const override { return first_look::training; }

    sparse::mask look(first_client& client, std::span<float> state) const override {
        std::vector<float> squares;
        for (int i = 0; i < config_.prunefl.initial_rounds; ++i) {
            squares = client.train(plan(0), state);
        }
        return most_important(client.layout(), squares, config_.sparsity.initial);
    }

    sparse::mask reconfigure(const round_plan& plan, const averages& received,
                             const sparse::mask&) const override {
        return most_important(received.layout, received.squared_gradients, plan.target_sparsity);
    }

private:
    sparse::mask most_important(const parameter_layout& layout, std::span<const float> squares,
                                double sparsity) const {
        std::vector<float> importance(squares.begin(), squares.end());
        for (std::size_t l = 0; l < costs_.size(); ++l) {
            const auto& p = layout.weights()[l];
            for (float& value : std::span(importance).subspan(p.offset, p.size)) {
                value /= static_cast<float>(costs_[l]);
            }
        }
        return sparse::prune_smallest(importance, sparsity);
    }

    config::run_config config_;
    std::vector<double> costs_; // [prunable tensor]
};

} // namespace

std::unique_ptr<method> make_prunefl(const config::run_config& config) {
    return std::make_unique<prunefl>(config);
}

} // namespace feddip::fl
