// Who takes part in a round, on which rank, and with what: the same on every rank, without being told unless
// clients are protected.
#pragma once

#include "fl/experiment.hpp"
#include "fl/faults.hpp"
#include "fl/round.hpp"

#include <memory>
#include <span>
#include <vector>

namespace feddip::fl {

// Those clients in round t: whether they answer and how slow they are, without images.
std::vector<participant> asked_in(int round, std::span<const int> clients, const fault_model& faults);
// The same of the sampled ones, by client.
std::vector<participant> sampled_in(int round, const config::federation_section& federation,
                                    const fault_model& faults);

// What the round is for one client: one that holds a part of the model sends that, and keeps what becomes of
// other weights where it has feedback.
round_plan plan_for(const participant& p, round_plan plan);

class accounting;
class budgets;

class roster {
public:
    // `charges` knows what a client's part would cost, and outlives the roster.
    roster(const workplace& here, accounting& charges);
    ~roster();

    // Who takes part in the round, with which part of the model, and on which ranks those that answer train.
    // Collective where clients are protected or have budgets.
    void call(ongoing_round& now, run_state& state);

    // The same client with the mask that it trains in, where it isn't the model's: to be made when its turn
    // comes, so that memory does not grow with the clients of a round.
    participant equip(const ongoing_round& now, participant p) const;

    // Those that answer and have something to keep, keep it from this round on.
    void keep(const ongoing_round& now, run_state& state) const;

private:
    void sample(ongoing_round& now, const run_state& state) const;
    void place(ongoing_round& now) const;
    std::vector<participant> drawn(int round, const run_state& state) const;
    std::span<const std::uint32_t> images_of(int client, ongoing_round& now) const;

    const workplace& here_;
    fault_model faults_;
    std::vector<int> hostile_; // clients, ascending
    std::unique_ptr<budgets> budgets_;
};

} // namespace feddip::fl
