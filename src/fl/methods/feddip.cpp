// FedDIP (Long et al. 2023): dynamic pruning with error feedback, a cubic sparsity schedule, ERK start,
// global magnitude reconfiguration every R rounds, and a regularization that climbs a staircase. With
// regularization.maximum = 0 it is FedDP, with sparsity 0 the regularization alone.
#include "base/error.hpp"
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"
#include "sparse/lamp.hpp"
#include "sparse/magnitude.hpp"
#include "sparse/schedules.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace feddip::fl {

namespace {

sparse::staircase to_staircase(config::staircase_kind kind) {
    return kind == config::staircase_kind::paper ? sparse::staircase::paper : sparse::staircase::code;
}

class feddip final : public method {
public:
    explicit feddip(const config::run_config& config) : config_(config) {
        if (config.sparsity.start_scale == config::start_scale_kind::density &&
            config.sparsity.start_mask == config::start_mask_kind::per_client) {
            throw input_error("impossible combination", "sparsity.start_scale",
                              "\"density\" has nothing to scale where sparsity.start_mask = \"per_client\" "
                              "begins with dense weights; take \"dense\"");
        }
        if (config.sparsity.score != config::score_kind::magnitude &&
            config.communication.reconfiguration_upload != config::reconfiguration_upload_kind::dense) {
            throw input_error("impossible combination", "communication.reconfiguration_upload",
                              "clients send their weights of largest magnitude, while sparsity.score = "
                              "\"lamp\" ranks by another score; take \"dense\"");
        }
        check_answer();
    }

    round_plan plan(int round) const override {
        const auto& c = config_;
        const int rounds = c.federation.rounds;
        const bool reconfigures = on_schedule(c, round);
        const bool ranks_all_weights = reconfigures && ranks_outside_mask(round);

        auto plan = averaging_round(c, round);
        plan.sgd.regularization = static_cast<float>(
            sparse::regularization_at(round, rounds, c.regularization.maximum, c.regularization.steps,
                                      to_staircase(c.regularization.staircase)));
        plan.target_sparsity = scheduled_sparsity(c, round);
        plan.reconfigures = reconfigures;
        choose_upload(plan, ranks_all_weights);
        return plan;
    }

    round_plan plan_after_alarm(int round, int since) const override {
        const auto& a = config_.adaptation;
        const int passed = since - 1, lasts = config::answer_rounds_of(config_, round - since);
        auto plan = this->plan(round);
        const bool last = since == lasts;
        if (a.answer == config::answer_kind::relax && !last) {
            plan.target_sparsity = sparse::sparsity_at(
                passed, lasts, std::min(a.relaxed_sparsity, plan.target_sparsity), plan.target_sparsity);
        }
        // Meanwhile masks change by the alarm's time and not the schedule's, but for its last change.
        const bool due = passed % config_.sparsity.horizon == 0;
        plan.reconfigures =
            due || (last && a.answer == config::answer_kind::relax) || is_last_change(config_, round);
        choose_upload(plan, plan.reconfigures);
        if (due && a.answer == config::answer_kind::regrow) {
            plan.regrown_share = falling_share(a.regrown_share, passed, lasts);
        }
        return plan;
    }

    sparse::mask start_mask(const parameter_layout& layout) const override {
        if (config_.sparsity.start_mask == config::start_mask_kind::per_client) {
            return {layout.prunable_size(), true};
        }
        return draw_start_mask(config_, layout, config_.sparsity.initial, the_server);
    }

    std::optional<sparse::mask> client_mask(const round_plan& plan, const parameter_layout& layout,
                                            int client) const override {
        if (plan.round > 0 || config_.sparsity.start_mask == config::start_mask_kind::global) {
            return std::nullopt;
        }
        return draw_start_mask(config_, layout, config_.sparsity.initial, static_cast<std::uint32_t>(client));
    }

    sparse::mask reconfigure(const round_plan& plan, const averages& received,
                             const sparse::mask& current) const override {
        if (plan.regrown_share > 0) {
            const auto count = alive(plan, received.layout);
            const auto fresh = std::llround(plan.regrown_share * static_cast<double>(count));
            std::vector<float> made;
            return sparse::regrow_largest(scores(received.layout, received.weights, made), current, count,
                                          static_cast<std::size_t>(fresh));
        }
        if (ranks_outside_mask(plan.round)) {
            return prune(received.layout, received.weights, plan.target_sparsity);
        }
        std::vector<float> nested(received.weights.begin(), received.weights.end());
        sparse::apply(current, nested);
        return prune(received.layout, nested, plan.target_sparsity);
    }

    bool nests_masks() const override { return true; }

private:
    void check_answer() const {
        const auto refuse = [](const char* where, const char* why) {
            throw input_error("impossible combination", where, why);
        };
        const auto answer = config_.adaptation.answer;
        if (answer != config::answer_kind::none && !config_.sparsity.regrow) {
            refuse("adaptation.answer", "with sparsity.regrow = false no weight comes back; take true");
        }
        if (answer == config::answer_kind::regrow && config_.sparsity.layer_floor > 0) {
            refuse("sparsity.layer_floor", "adaptation.answer = \"regrow\" does not keep to it; take 0");
        }
        if (answer == config::answer_kind::regrow &&
            config_.communication.reconfiguration_upload != config::reconfiguration_upload_kind::dense) {
            refuse("communication.reconfiguration_upload",
                   "adaptation.answer = \"regrow\" needs what clients do not send then; take \"dense\"");
        }
    }

    // Without regrowth only round 0 does: afterwards masks are nested.
    bool ranks_outside_mask(int round) const { return config_.sparsity.regrow || round == 0; }

    bool keeps_residual_of_reconfigurations() const {
        return config_.communication.reconfiguration_upload ==
               config::reconfiguration_upload_kind::topk_residual;
    }

    sparse::mask prune(const parameter_layout& layout, std::span<const float> weights,
                       double sparsity) const {
        const double floor = config_.sparsity.layer_floor;
        std::vector<float> made;
        const auto ranked = scores(layout, weights, made);
        return floor > 0 ? sparse::prune_smallest_above_floor(layout, ranked, sparsity, floor)
                         : sparse::prune_smallest(ranked, sparsity);
    }
    // By which weights are ranked: themselves, or what is put into `made`.
    std::span<const float> scores(const parameter_layout& layout, std::span<const float> weights,
                                  std::vector<float>& made) const {
        if (config_.sparsity.score == config::score_kind::magnitude) {
            return weights;
        }
        made = sparse::lamp_scores(layout, weights);
        return made;
    }
    upload_content reconfiguration_upload() const {
        return config_.communication.reconfiguration_upload == config::reconfiguration_upload_kind::dense
                   ? upload_content::all_weights
                   : upload_content::largest;
    }
    void choose_upload(round_plan& plan, bool ranks_all_weights) const {
        plan.upload = ranks_all_weights ? reconfiguration_upload() : ordinary_upload();
        // With "topk" what is not among the largest is meant to go: no residual keeps it.
        plan.keeps_residual = plan.upload == upload_content::largest
                                  ? keeps_residual_of_reconfigurations()
                                  : averaging_round(config_, plan.round).keeps_residual;
    }
    upload_content ordinary_upload() const {
        return config_.communication.upload == config::upload_kind::dense ? upload_content::all_weights
                                                                          : upload_content::in_mask;
    }

    config::run_config config_;
};

} // namespace

std::unique_ptr<method> make_feddip(const config::run_config& config) {
    return std::make_unique<feddip>(config);
}

} // namespace feddip::fl
