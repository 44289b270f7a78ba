// DisPFL (Dai et al. 2022): personalized and decentralized. Every client has a model and a mask of its own,
// of fixed density per layer (ERK). In each round the sampled clients average with their neighbours on the
// intersection of masks, train within their own, and drop and regrow weights.
//
// In the authors' program all clients train in every round, and neighbours are drawn from all; here they are
// drawn from those that are sampled, for the others can't send (clients_per_round = clients gives the
// authors' setting). As in theirs, models are exchanged as they were trained, with the masks they were
// trained in, so that a weight that has just regrown takes its neighbours' value and doesn't weigh on theirs.
#include "fl/methods/among_peers.hpp"
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"

namespace feddip::fl {

namespace {

class dispfl final : public method {
public:
    explicit dispfl(const config::run_config& config) : config_(config) {
        require_what_peers_can_honour(config);
    }

    round_plan plan(int round) const override { return round_at_target(config_, round); }

    int neighbours() const override { return config_.dispfl.neighbours; }

    sparse::mask personal_mask(const parameter_layout& layout, int client) const override {
        return draw_start_mask(config_, layout, config_.sparsity.target, static_cast<std::uint32_t>(client));
    }

    sparse::mask own_mask(const round_plan& plan, const trained_client& client) const override {
        const int changing = changing_rounds(config_);
        return plan.round < changing
                   ? readjusted_mask(client, config_.dispfl.readjusted_share, plan.round, changing)
                   : client.mask;
    }

    std::size_t alive(const round_plan&, const parameter_layout& layout) const override {
        return kept_in_all(config_, layout);
    }

private:
    config::run_config config_;
};

} // namespace

std::unique_ptr<method> make_dispfl(const config::run_config& config) {
    return std::make_unique<dispfl>(config);
}

} // namespace feddip::fl
