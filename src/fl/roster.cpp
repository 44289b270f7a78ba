#include "fl/roster.hpp"

#include "fl/attacks/attack.hpp"
#include "fl/budget/budgets.hpp"
#include "fl/neighbourhood.hpp"
#include "fl/packing.hpp"
#include "fl/sampling.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace feddip::fl {

std::vector<std::size_t> cast::slots_of(int rank) const {
    std::vector<std::size_t> mine;
    for (std::size_t s = 0; s < owners.size(); ++s) {
        if (owners[s] == rank) {
            mine.push_back(s);
        }
    }
    return mine;
}

std::size_t cast::hostile() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(slots, [this](std::size_t s) { return sampled[s].hostile; }));
}

std::vector<participant> asked_in(int round, std::span<const int> clients, const fault_model& faults) {
    std::vector<participant> sampled;
    for (const int client : clients) {
        sampled.push_back({.client = client,
                           .answers = !faults.drops_out(round, client),
                           .slowdown = faults.slowdown(round, client)});
    }
    return sampled;
}

std::vector<participant> sampled_in(int round, const config::federation_section& federation,
                                    const fault_model& faults) {
    return asked_in(round,
                    sample_clients(federation.seed, round, federation.clients, federation.clients_per_round),
                    faults);
}

round_plan plan_for(const participant& p, round_plan plan) {
    const bool feeds_back = p.feedback > 0;
    if (p.part.limited()) {
        // The proximal term would need the server's weights there, which it does not have.
        plan.keeps_outside = feeds_back && plan.trains_all_weights() && plan.proximal == 0;
        plan.upload = upload_content::in_mask;
    }
    plan.keeps_residual |= feeds_back && (plan.keeps_outside || p.kept_in >= 0);
    return plan;
}

roster::roster(const workplace& here, accounting& charges)
    : here_(here), faults_(here.what.config.faults, here.what.config.federation.seed),
      hostile_(hostile_clients(here.what.config)), budgets_(std::make_unique<budgets>(here, charges)) {}

roster::~roster() = default;

void roster::call(ongoing_round& now, run_state& state) {
    sample(now, state);
    budgets_->assign(now, state);
    place(now);
}

void roster::sample(ongoing_round& now, const run_state& state) const {
    const auto& federation = here_.what.config.federation;
    now.who = {.sampled = here_.guarantee ? drawn(now.plan.round, state)
                                          : sampled_in(now.plan.round, federation, faults_),
               .drawn = {},
               .slots = {},
               .owners = {}};
    for (auto& p : now.who.sampled) {
        p.images = images_of(p.client, now);
        p.hostile = std::ranges::binary_search(hostile_, p.client);
        p.kept_in = state.client_kept_in[static_cast<std::size_t>(p.client)];
    }
    if (here_.how->neighbours() > 0) {
        introduce(now.who.sampled, *here_.how, now.plan.round, federation.seed);
    }
}

void roster::place(ongoing_round& now) const {
    std::vector<std::uint64_t> work;
    for (std::size_t i = 0; i < now.who.sampled.size(); ++i) {
        const auto& p = now.who.sampled[i];
        if (p.answers) {
            now.who.slots.push_back(i);
            now.who.parts.push_back(p.part);
            work.push_back(p.images.size());
        }
    }
    const int first_rank = here_.what.config.federation.rank0_trains || here_.ranks.size() == 1 ? 0 : 1;
    now.who.owners = assign_slots(work, here_.ranks.size(), first_rank);
}

// Rank 0 alone has the key.
std::vector<participant> roster::drawn(int round, const run_state& state) const {
    const auto& config = here_.what.config;
    std::vector<int> ids, leaving;
    if (here_.at_server()) {
        const auto& key = state.protection->key;
        ids = sample_secretly(key, round, config.federation.clients, config.federation.clients_per_round,
                              config.privacy.sampling);
        leaving = drop_out_secretly(key, round, ids, config.faults.drop_probability);
    }
    ids = broadcast(here_.ranks, std::span<const int>(ids));
    leaving = broadcast(here_.ranks, std::span<const int>(leaving));
    auto sampled = asked_in(round, ids, faults_);
    for (auto& p : sampled) {
        p.answers = !std::ranges::binary_search(leaving, p.client);
    }
    return sampled;
}

std::span<const std::uint32_t> roster::images_of(int client, ongoing_round& now) const {
    return here_.drift.draws() ? now.who.drawn.emplace_back(here_.drift.images_of(client, now.plan.round))
                               : here_.images_of(client);
}

participant roster::equip(const ongoing_round& now, participant p) const {
    if (p.part.limited()) {
        p.own_mask = std::make_shared<const sparse::mask>(now.ladder->part(p.part));
    } else if (auto own = here_.how->client_mask(now.plan, here_.layout, p.client)) {
        p.own_mask = std::make_shared<const sparse::mask>(std::move(*own));
    }
    return p;
}

void roster::keep(const ongoing_round& now, run_state& state) const {
    for (const std::size_t i : now.who.slots) {
        const auto& p = now.who.sampled[i];
        if (plan_for(p, now.plan).keeps_residual) {
            state.client_kept_in[static_cast<std::size_t>(p.client)] = now.plan.round;
        }
    }
}

} // namespace feddip::fl
