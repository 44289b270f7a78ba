// DA-DPFL (Long et al., arXiv:2404.15943, by FedDIP's authors): DisPFL, in which clients wait for some of
// their neighbours, to average with what these have trained in the same round (neighbourhood.hpp), and prune
// their masks further once training settles (settling.hpp), each layer by the PQ index of its weights, from
// sparsity.initial until the whole mask is at sparsity.target or past it.
//
// In the authors' program all clients train in every round, in the order of their numbers, and the models
// waited for are those of the lowest numbers, whether these come before the client or not; it lowers the
// bound of waits over the run in equal steps to 0. Here the order is drawn anew for each round, and the bound
// stays. The program ends further pruning after 20 times, or once a gap rounds to 0; here a gap is at
// least a round. The client that has just pruned readjusts the smaller mask as usual, in both.
#include "fl/methods/among_peers.hpp"
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"
#include "sparse/pq_index.hpp"
#include "sparse/start.hpp"

#include <numeric>

namespace feddip::fl {

namespace {

class dadpfl final : public method {
public:
    explicit dadpfl(const config::run_config& config) : config_(config) {
        require_what_peers_can_honour(config);
    }

    round_plan plan(int round) const override {
        auto plan = averaging_round(config_, round);
        plan.target_sparsity = config_.sparsity.initial;
        return plan;
    }

    int neighbours() const override { return config_.dadpfl.neighbours; }
    int waits() const override { return config_.dadpfl.waits; }
    pruning_rhythm further_pruning() const override {
        const bool may_prune = config_.sparsity.initial < config_.sparsity.target;
        return {.threshold = may_prune ? config_.dadpfl.pruning_threshold : 0,
                .pace = config_.dadpfl.pruning_pace};
    }

    sparse::mask personal_mask(const parameter_layout& layout, int client) const override {
        return draw_start_mask(config_, layout, config_.sparsity.initial, static_cast<std::uint32_t>(client));
    }

    sparse::mask own_mask(const round_plan& plan, const trained_client& client) const override {
        const int changing = changing_rounds(config_);
        if (plan.round >= changing) {
            return client.mask;
        }
        const bool prunes = plan.prunes_further && client.mask.sparsity() < config_.sparsity.target;
        const auto mask =
            prunes ? sparse::prune_by_pq_index(client.layout, client.weights, client.mask) : client.mask;
        return readjusted_mask({client.layout, client.weights, mask, client.gradient},
                               config_.dadpfl.readjusted_share, plan.round, changing);
    }

    // At first.
    std::size_t alive(const round_plan&, const parameter_layout& layout) const override {
        const auto counts =
            sparse::alive_per_layer(layout, start_densities(config_, layout, config_.sparsity.initial));
        return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    }

private:
    config::run_config config_;
};

} // namespace

std::unique_ptr<method> make_dadpfl(const config::run_config& config) {
    return std::make_unique<dadpfl>(config);
}

} // namespace feddip::fl
