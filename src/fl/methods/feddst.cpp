// FedDST (Bibikar et al. 2022): a sparse model of fixed density per layer (ERK). Every R rounds each sampled
// client drops its smallest weights and regrows as many where the gradient of a minibatch is largest; the
// server averages each weight over the clients that sent it, and prunes each layer back to its density by
// magnitude. The share that is dropped falls to 0 over the first half of the rounds, as the paper's cosine
// does. Their program goes on for as long by default, but drops the same share, a half, each time.
//
// The variant "authors" is nearer to what FedDIP's authors run: it falls over all rounds, and clients
// readjust in the last of R rounds, not in the first.
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"
#include "sparse/magnitude.hpp"

namespace feddip::fl {

namespace {

class feddst final : public method {
public:
    explicit feddst(const config::run_config& config) : config_(config) {}

    round_plan plan(int round) const override {
        auto plan = round_at_target(config_, round);
        if (round > 0 && round < annealing_rounds() && on_horizon(config_, round)) {
            plan = with_own_masks(plan);
            plan.averages_senders = true;
        }
        return plan;
    }

    sparse::mask start_mask(const parameter_layout& layout) const override {
        return draw_start_mask(config_, layout, config_.sparsity.target, the_server);
    }

    sparse::mask own_mask(const round_plan& plan, const trained_client& client) const override {
        return readjusted_mask(client, config_.feddst.readjusted_share, plan.round, annealing_rounds());
    }

    // Regrown weights are 0 still, but for those that a client drops and regrows at once: these keep what it
    // trained, where the program sets them to 0. Behind all others, those come first that most clients
    // regrew.
    sparse::mask reconfigure(const round_plan&, const averages& received,
                             const sparse::mask&) const override {
        return sparse::keep_largest_per_layer(received.layout, magnitudes_or_votes(received),
                                              kept_per_layer(config_, received.layout));
    }

    std::size_t alive(const round_plan&, const parameter_layout& layout) const override {
        return kept_in_all(config_, layout);
    }

private:
    int annealing_rounds() const {
        const int changing = changing_rounds(config_);
        return config_.method.variant == config::variant_kind::authors ? changing : changing / 2;
    }

    config::run_config config_;
};

} // namespace

std::unique_ptr<method> make_feddst(const config::run_config& config) {
    return std::make_unique<feddst>(config);
}

} // namespace feddip::fl
