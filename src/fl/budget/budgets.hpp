// The part of the model that each sampled client holds in a round.
#pragma once

#include "fl/budget/controller.hpp"
#include "fl/experiment.hpp"
#include "fl/link_model.hpp"
#include "fl/round.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace feddip::fl {

class accounting;

class budgets {
public:
    // `charges` knows what a part would cost, and outlives the stage.
    budgets(const workplace& here, accounting& charges);

    // Collective: what each sampled client can hold of the model and affords to exchange, or who would be
    // late and isn't waited for.
    void assign(ongoing_round& now, run_state& state);

private:
    void share_out(ongoing_round& now, const run_state& state);
    bool parts_were_held(const run_state& state) const;
    void drop_late(ongoing_round& now, const run_state& state);
    std::vector<std::int32_t> told_by_server(const ongoing_round& now,
                                             const std::function<int(const participant&)>& decide) const;
    void rank_weights(int round, run_state& state) const;
    int level_for(const participant& p, const ongoing_round& now, const run_state& state);
    int highest_level(int client, const sparse::ladder& ladder, int round) const; // of what it can hold
    std::vector<past_round> past_of(int client, const run_state& state) const;
    double density_of(int client) const;
    double feedback_of(const participant& p, int round) const;
    sparse::ladder_part part_at(int level, int round) const;

    const workplace& here_;
    accounting& charges_;
    link_model links_;
    std::unique_ptr<controller> controller_; // null: everybody holds all
};

} // namespace feddip::fl
