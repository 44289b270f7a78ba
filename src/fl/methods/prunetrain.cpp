// PruneTrain (Lym et al. 2019), which prunes channels of one model in one place, as the FedDIP authors adapt
// it to a federation: clients train all weights, with a group lasso on each layer but the first and the last
// from the start, and prune the smallest s_t of these layers before they send; the server does the same with
// the average.
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"
#include "sparse/magnitude.hpp"

namespace feddip::fl {

namespace {

class prunetrain final : public method {
public:
    explicit prunetrain(const config::run_config& config) : config_(config) {}

    round_plan plan(int round) const override {
        auto plan = averaging_round(config_, round);
        plan.sgd.regularization = static_cast<float>(config_.prunetrain.group_lasso);
        plan.sgd.spares_ends = true;
        plan.target_sparsity = scheduled_sparsity(config_, round);
        if (rests(round)) {
            return plan;
        }
        return with_own_masks(plan);
    }

    // Weights that the server has pruned start at 0 and train again.
    std::optional<sparse::mask> client_mask(const round_plan& plan, const parameter_layout& layout,
                                            int) const override {
        return rests(plan.round) ? std::nullopt : std::optional(sparse::mask(layout.prunable_size(), true));
    }

    sparse::mask own_mask(const round_plan& plan, const trained_client& client) const override {
        return prune(client.layout, client.weights.first(client.layout.prunable_size()),
                     plan.target_sparsity);
    }

    sparse::mask reconfigure(const round_plan& plan, const averages& received,
                             const sparse::mask&) const override {
        return prune(received.layout, received.weights, plan.target_sparsity);
    }

    std::size_t alive(const round_plan& plan, const parameter_layout& layout) const override {
        const auto [first, length] = middle(layout);
        return layout.prunable_size() -
               static_cast<std::size_t>(std::llround(plan.target_sparsity * static_cast<double>(length)));
    }

private:
    // In the final rounds clients train within the mask, which stays.
    bool rests(int round) const { return round >= changing_rounds(config_); }

    // Where the layers between the first and the last lie.
    struct range {
        std::size_t first, length;
    };
    static range middle(const parameter_layout& layout) {
        const auto& last = layout.weights().back();
        const std::size_t first = layout.weights().front().size;
        return {first, last.offset > first ? last.offset - first : 0};
    }

    static sparse::mask prune(const parameter_layout& layout, std::span<const float> weights,
                              double sparsity) {
        const auto [first, length] = middle(layout);
        const auto kept = sparse::prune_smallest(weights.subspan(first, length), sparsity);
        sparse::mask alive(layout.prunable_size(), true);
        for (std::size_t i = 0; i < length; ++i) {
            alive.set(first + i, kept[i]);
        }
        return alive;
    }

    config::run_config config_;
};

} // namespace

std::unique_ptr<method> make_prunetrain(const config::run_config& config) {
    return std::make_unique<prunetrain>(config);
}

} // namespace feddip::fl
