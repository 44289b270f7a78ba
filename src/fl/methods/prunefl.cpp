// PruneFL (Jiang et al. 2022): one client trains alone and prunes first; then, every R rounds, clients send
// the squared gradients of all weights, and the server reconfigures. Of each layer only the smallest share of
// the alive weights may go; with the pruned ones they compete for what is left of density 1 - s_t, by
// importance: squared gradient over time cost. Weights that come back start at 0. In their program the share
// begins at 30 % and halves over the run, and importance decides the density too, to which FedDIP's schedule
// is put here. Where the schedule falls faster than the share allows, the density lags behind it.
//
// The variant "authors" is what FedDIP's authors meant: the first layer, to whose time their program gives
// almost 0, stays dense, all other weights are ranked by importance alone, and the first client trains,
// pruning every five rounds, until it is better than chance. Their published program computes importance and
// never reads it: it ranks all layers, the first too, by squared gradients alone. Its first client holds a
// hundredth of the images whatever the number of clients.
#include "data/dataset.hpp"
#include "fl/first_client.hpp"
#include "fl/first_look.hpp"
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"
#include "nn/network.hpp"
#include "sparse/magnitude.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace feddip::fl {

namespace {

// Relative time that one weight of each prunable tensor costs: sending it, and computing with it. A fixed
// model, for a measurement would make the mask depend on the machine. The constant follows from the
// coefficients that the authors of PruneFL measured on a Raspberry Pi: 0.031 to 0.04 per use in the first
// convolutions that count (configurations for FEMNIST and CIFAR-10 of their program), up to 0.46 where a
// weight is used once to four times. Computing with the first layer costs nothing there.
std::vector<double> time_costs(const config::run_config& config) {
    constexpr double per_use = 1.0 / 32;
    const auto facts = data::facts_of(config.data);
    auto costs = nn::uses_per_weight(config.model, facts.shape, facts.classes);
    std::ranges::transform(costs, costs.begin(), [&](double uses) { return 1 + per_use * uses; });
    costs.front() = 1;
    return costs;
}

// How long the first client trains in the program of FedDIP's authors, and when it prunes.
struct first_training {
    static constexpr int pruning_every = 5; // rounds
    // Accuracy: theirs for 10 and 100 classes.
    static double enough(int classes) { return classes == 100 ? 0.02 : 1.1 / classes; }
};

class prunefl final : public method {
public:
    explicit prunefl(const config::run_config& config) : config_(config), costs_(time_costs(config)) {}

    round_plan plan(int round) const override {
        auto plan = averaging_round(config_, round);
        plan.target_sparsity = scheduled_sparsity(config_, round);
        plan.reconfigures = plan.squared_gradients = reconfigures_in(round);
        return plan;
    }

    first_look looks_first() const override { return first_look::training; }

    sparse::mask look(first_client& client, std::span<float> state) const override {
        return as_authors() ? train_until_better_than_chance(client, state)
                            : prune_step_by_step(client, state);
    }

    sparse::mask reconfigure(const round_plan& plan, const averages& received,
                             const sparse::mask& current) const override {
        if (as_authors()) {
            return most_important(received.layout, received.squared_gradients, plan.target_sparsity,
                                  first_layer(received.layout));
        }
        const auto staying = sparse::drop_smallest_per_layer(received.layout, received.weights, current,
                                                             removable_share(plan.round));
        return most_important(received.layout, received.squared_gradients, plan.target_sparsity, staying);
    }

    // But for one weight per layer, which rounding may spare.
    std::size_t alive(const round_plan& plan, const parameter_layout& layout) const override {
        const auto size = static_cast<double>(layout.prunable_size());
        double alive = size * (1 - config_.sparsity.initial);
        for (int round = 0; round <= plan.round; ++round) {
            if (reconfigures_in(round)) {
                const double scheduled = size * (1 - scheduled_sparsity(config_, round));
                const double staying = as_authors() ? 0 : alive * (1 - removable_share(round));
                alive = std::max(scheduled, staying);
            }
        }
        return static_cast<std::size_t>(std::llround(alive));
    }

private:
    bool as_authors() const { return config_.method.variant == config::variant_kind::authors; }

    // The first client has just pruned what round 0 begins with, unless nothing but final rounds follow it.
    bool reconfigures_in(int round) const {
        return on_schedule(config_, round) && (round > 0 || is_last_change(config_, round));
    }

    double removable_share(int round) const {
        return config_.prunefl.removable_share *
               std::exp2(-static_cast<double>(round) / config_.federation.rounds);
    }

    sparse::mask prune_step_by_step(first_client& client, std::span<float> state) const {
        const auto& layout = client.layout();
        sparse::mask mask(layout.prunable_size(), true);
        const std::size_t wanted = alive(plan(0), layout);
        std::vector<float> squares;
        for (int i = 0; i < config_.prunefl.initial_rounds; ++i) {
            squares = client.train(plan(0), mask, state);
        }
        while (true) {
            const auto staying = sparse::drop_smallest_per_layer(layout, std::span(state).first(mask.size()),
                                                                 mask, removable_share(0));
            auto smaller = most_important(layout, squares, config_.sparsity.initial, staying);
            const bool goes_on = smaller.count() < mask.count() && smaller.count() > wanted;
            mask = std::move(smaller);
            if (!goes_on) {
                return mask;
            }
            squares = client.train(plan(0), mask, state);
        }
    }

    sparse::mask train_until_better_than_chance(first_client& client, std::span<float> state) const {
        const auto& layout = client.layout();
        const double enough = first_training::enough(data::facts_of(config_.data).classes);
        sparse::mask mask(layout.prunable_size(), true);
        bool done = false;
        for (int round = 0; !done; ++round) {
            const auto squares = client.train(plan(0), mask, state);
            const int trained = round + 1;
            done = trained == prunefl_trainings::at_most ||
                   (trained >= prunefl_trainings::at_least && client.accuracy(mask, state) > enough);
            if (round % first_training::pruning_every == 0) {
                mask = most_important(layout, squares, config_.sparsity.initial, first_layer(layout));
            }
        }
        return mask;
    }

    static sparse::mask first_layer(const parameter_layout& layout) {
        sparse::mask first(layout.prunable_size(), false);
        for (std::size_t i = 0; i < layout.weights().front().size; ++i) {
            first.set(i, true);
        }
        return first;
    }

    // Those that stay, and as many more of the most important ones as make 1 - sparsity; none, where the
    // others are as many already.
    sparse::mask most_important(const parameter_layout& layout, std::span<const float> squares,
                                double sparsity, const sparse::mask& staying) const {
        std::vector<float> importance(squares.begin(), squares.end());
        for (std::size_t l = 0; l < costs_.size(); ++l) {
            const auto& p = layout.weights()[l];
            for (float& value : std::span(importance).subspan(p.offset, p.size)) {
                value /= static_cast<float>(costs_[l]);
            }
        }
        staying.for_each_alive([&](std::size_t i) { importance[i] = std::numeric_limits<float>::max(); });
        auto chosen = sparse::prune_smallest(importance, sparsity);
        return chosen.count() > staying.count() ? chosen : staying;
    }

    config::run_config config_;
    std::vector<double> costs_; // [prunable tensor]
};

} // namespace

std::unique_ptr<method> make_prunefl(const config::run_config& config) {
    return std::make_unique<prunefl>(config);
}

} // namespace feddip::fl
