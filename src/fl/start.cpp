#include "fl/start.hpp"

#include "base/error.hpp"
#include "fl/first_client.hpp"
#include "fl/packing.hpp"
#include "fl/server.hpp"
#include "sparse/start.hpp"

#include <fmt/format.h>

#include <cmath>
#include <utility>

namespace feddip::fl {

namespace {

bool looks_at_data(const workplace& here) {
    return here.how->looks_first() != first_look::none;
}

// The same on every rank, so that nothing needs to be sent, unless data are looked at.
started start_afresh(workplace& here) {
    const auto& layout = here.layout;
    const auto clients = static_cast<std::size_t>(here.what.config.federation.clients);
    started all;
    auto& state = all.state;
    state.client_mask_version.assign(clients, 0);
    state.client_kept_in.assign(clients, -1);
    state.model.state.resize(layout.size());
    if (here.at_server() && here.guarantee) {
        state.protection = {.key = here.what.key ? *here.what.key : privacy::secret::fresh(),
                            .clip = here.what.config.privacy.clip};
    }
    initialize(layout, here.what.config.federation.seed, state.model.state);

    versioned_mask all_alive{.version = 0, .mask = {layout.prunable_size(), true}};
    state.model.mask = here.how->start_mask(layout);
    if (here.at_server() && looks_at_data(here)) {
        all.owed = look_first(here, state.model);
    }
    if (state.model.mask != all_alive.mask) {
        state.model.mask_version = 1;
        const auto weights = std::span(state.model.state).first(layout.prunable_size());
        sparse::apply(state.model.mask, weights);
        if (here.what.config.sparsity.start_scale == config::start_scale_kind::density &&
            here.how->looks_first() != first_look::training) { // which has given them another scale
            sparse::scale_to_density(layout, state.model.mask, weights);
        }
        state.recent_masks.push_back(std::move(all_alive));
    }
    if (looks_at_data(here) && here.how->looks_first() != first_look::densities) {
        state.client_mask_version[first_client::id] = state.model.mask_version; // it chose the mask
    }
    return all;
}

// What the rounds so far have spent follows from their noise, which other versions may have found otherwise.
void ensure_same_noise(const privacy_guarantee& guarantee, std::span<const round_record> history) {
    if (history.empty()) {
        return;
    }
    const auto& last = history.back();
    const double now = guarantee.epsilon_after(last.round);
    if (std::abs(last.epsilon - now) > 1e-9 * std::abs(now)) {
        throw error(
            "can't go on with protected clients", "checkpoint",
            fmt::format(
                "its {} rounds have spent epsilon {}, with this version's noise they would have spent {}; "
                "start anew",
                last.round, last.epsilon, now));
    }
}

// What every rank needs to know of a resumed run beside the model: [rounds done | version of the mask that is
// ranked | round of the ranking | round of what each client keeps], and the ranking.
void share_progress(workplace& here, run_state& state) {
    std::vector<std::int32_t> progress{state.rounds_done, static_cast<std::int32_t>(state.ladder_version),
                                       state.ladder_round};
    progress.insert(progress.end(), state.client_kept_in.begin(), state.client_kept_in.end());
    progress = broadcast(here.ranks, std::span<const std::int32_t>(progress));
    state.rounds_done = progress.front();
    state.client_kept_in.assign(progress.begin() + 3, progress.end());
    state.ladder_version = static_cast<std::uint32_t>(progress[1]);
    state.ladder_round = progress[2];
    state.ladder = sparse::ladder(broadcast(here.ranks, state.ladder.rung_of()));
}

} // namespace

started start(workplace& here, std::optional<run_state> resumed) {
    const bool continues = here.ranks.any(resumed.has_value());
    auto all = resumed ? started{.state = std::move(*resumed), .owed = {}} : start_afresh(here);
    if (continues && here.at_server() && here.guarantee && !all.state.protection) {
        throw error("can't go on with protected clients", "checkpoint",
                    "it has no key, so that noise could be drawn twice; start anew");
    }
    if (continues && here.at_server() && here.guarantee) {
        ensure_same_noise(*here.guarantee, all.state.history);
    }
    if (continues) {
        share_progress(here, all.state);
    }
    if (continues || looks_at_data(here)) {
        broadcast_model(here, all.state, nullptr);
    }
    return all;
}

} // namespace feddip::fl
