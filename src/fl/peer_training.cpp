#include "fl/peer_training.hpp"

#include "base/floats.hpp"
#include "base/log.hpp"
#include "fl/evaluation.hpp"
#include "fl/intersection_average.hpp"
#include "fl/message.hpp"
#include "fl/methods/common.hpp"
#include "fl/packing.hpp"
#include "fl/progress.hpp"
#include "sparse/codec.hpp"

#include <algorithm>
#include <iterator>

namespace feddip::fl {

struct peer_training::trained {
    peer_report report;
    std::vector<double> densities;  // [prunable tensors]
    std::vector<std::byte> message; // the new model; empty where it has NaN or Inf
    peer_seconds took;
};

namespace {

model_bytes bytes_of(const sparse::mask& mask, const parameter_layout& layout) {
    const auto positions = sparse::encode(mask, layout, nullptr).size();
    return {.message = positions + message_bytes(mask.count(), layout.size() - layout.prunable_size()),
            .positions = positions};
}

int last_level(const cast& who) {
    int last = 0;
    for (std::size_t s = 0; s < who.slots.size(); ++s) {
        last = std::max(last, who.at_slot(s).level);
    }
    return last;
}

} // namespace

void peer_reports::append_to(std::vector<std::byte>& message) const {
    const std::uint64_t count = clients.size();
    append(message, std::span(&took, 1));
    append(message, std::span(&count, 1));
    append(message, std::span(clients));
    append(message, std::span(densities));
}

void peer_reports::join(std::span<const std::byte> message) {
    const auto its = take_one<peer_seconds>(message);
    took = its.all() > took.all() ? its : took;
    const auto count = take_one<std::uint64_t>(message);
    std::ranges::copy(take<peer_report>(message, count), std::back_inserter(clients));
    std::ranges::copy(take_rest<double>(message), std::back_inserter(densities));
}

peer_reports peer_training::run(const ongoing_round& now, const run_state& state) {
    const auto on_batch = progress_of(now.plan.round, now.who, here_);
    const auto slots = now.who.slots_of(here_.ranks.rank());
    std::vector<trained> mine(slots.size());
    fresh_.clear();
    for (int level = 0, last = last_level(now.who); level <= last; ++level) {
        std::vector<int> fresh;
        for (std::size_t i = 0; i < slots.size(); ++i) {
            if (const auto& p = now.who.at_slot(slots[i]); p.level == level) {
                mine[i] = train(now, p, state, on_batch);
            }
        }
        for (auto& t : mine) {
            if (!t.message.empty()) {
                here_.what.clients.save_model(t.report.record.id, now.plan.round, t.message);
                fresh.push_back(t.report.record.id);
                t.message = {};
            }
        }
        if (level < last) {
            announce(fresh);
        }
    }
    peer_reports all;
    for (const auto& t : mine) {
        all.clients.push_back(t.report);
        all.densities.insert(all.densities.end(), t.densities.begin(), t.densities.end());
        all.took.aggregate += t.took.aggregate;
        all.took.train += t.took.train;
        all.took.evaluate += t.took.evaluate;
    }
    return all;
}

// Collective.
void peer_training::announce(std::span<const int> clients) {
    std::vector<std::byte> all;
    for (const auto& theirs : here_.ranks.gather(std::as_bytes(clients))) {
        all.insert(all.end(), theirs.begin(), theirs.end());
    }
    here_.ranks.broadcast(all);
    const auto more = take_rest<int>(all);
    fresh_.insert(fresh_.end(), more.begin(), more.end());
    std::ranges::sort(fresh_);
}

peer_score peer_training::score_of(int client, const run_state& state) {
    return evaluated(model_of(state, client), client);
}

global_model peer_training::first_model_of(const run_state& state, int client) const {
    global_model model{.state = state.model.state, .mask = here_.how->personal_mask(here_.layout, client)};
    sparse::apply(model.mask, std::span(model.state).first(model.mask.size()));
    return model;
}

// As it was trained in a round before, in the mask it was trained in.
global_model peer_training::model_of(const run_state& state, int client) const {
    const int kept_in = state.client_kept_in[static_cast<std::size_t>(client)];
    if (kept_in < 0) {
        return first_model_of(state, client);
    }
    global_model model;
    decode(here_.what.clients.load_model(client, kept_in), here_.layout, model);
    return model;
}

// What a client gets of its peer.
global_model peer_training::received(const ongoing_round& now, const participant& p, int peer,
                                     const run_state& state) const {
    if (!std::ranges::binary_search(p.awaited, peer) || !std::ranges::binary_search(fresh_, peer)) {
        return model_of(state, peer);
    }
    global_model model;
    decode(here_.what.clients.load_model(peer, now.plan.round), here_.layout, model);
    return model;
}

// The mask that the client chose after its last training. It chooses when it trains again: nobody needs to
// know before, and the bits are the same.
sparse::mask peer_training::next_mask(const ongoing_round& now, const run_state& state, int client,
                                      const global_model& last) {
    const int kept_in = state.client_kept_in[static_cast<std::size_t>(client)];
    if (kept_in < 0 || now.plan.round >= changing_rounds(here_.what.config)) {
        return last.mask;
    }
    const auto gradient = [&] {
        return here_.trainer.gradient(last.state, kept_in, client, here_.drift.images_of(client, kept_in));
    };
    auto plan = here_.how->plan(kept_in);
    plan.prunes_further = settled_.prunes_in(kept_in);
    return here_.how->own_mask(plan, {here_.layout, last.state, last.mask, gradient});
}

peer_training::trained peer_training::train(const ongoing_round& now, const participant& p,
                                            const run_state& state, const std::function<void()>& on_batch) {
    const auto& layout = here_.layout;
    const int client = p.client;
    trained t;
    stopwatch phase;
    const auto last = model_of(state, client);
    auto together = p.senders;
    together.insert(std::ranges::lower_bound(together, client), client);
    intersection_average average(layout);
    for (const int peer : together) {
        average.add(peer == client ? last : received(now, p, peer, state));
    }
    const auto [start, pruning_error] = average.pruned_to(next_mask(now, state, client, last));
    t.took.aggregate = phase.lap();

    auto& r = t.report;
    r.record = here_.trainer.train(start, start.mask, now.plan, client, p.images, on_batch);
    t.took.train = phase.lap();
    r.record.seconds_train = t.took.train;

    r.before = bytes_of(last.mask, layout);
    r.after = r.before;
    r.mask_change = sparse::change(start.mask, last.mask);
    r.pruning_error = pruning_error;
    t.densities = sparse::layer_densities(start.mask, layout);
    const auto weights = here_.trainer.weights();
    if (!all_finite(weights)) {
        log::warning("the model of client {} has NaN or Inf; the client keeps the one before", client);
        r.record.included = 0;
        return t;
    }
    if (here_.how->waits() > 0) {
        r.after = bytes_of(start.mask, layout);
    }
    if (settled_.matters()) {
        r.record.distance = distance(layout, weights, first_model_of(state, client).state);
    }
    const global_model trained_model{.state = {weights.begin(), weights.end()}, .mask = start.mask};
    r.on_own_share = evaluated(trained_model, client);
    t.message = encode(trained_model, layout, now.plan.round, nullptr);
    t.took.evaluate = phase.lap();
    return t;
}

peer_score peer_training::evaluated(const global_model& model, int client) {
    const auto& share = here_.what.shares.test[static_cast<std::size_t>(client)];
    const auto measured = fl::evaluate(model, here_.what.data, share, here_.network);
    return {.accuracy = measured.accuracy, .loss = measured.loss, .top5_accuracy = measured.top5_accuracy};
}

} // namespace feddip::fl
