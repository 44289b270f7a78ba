#include "fl/peer_training.hpp"

#include "base/floats.hpp"
#include "base/log.hpp"
#include "fl/evaluation.hpp"
#include "fl/intersection_average.hpp"
#include "fl/message.hpp"
#include "fl/progress.hpp"
#include "fl/roster.hpp"
#include "sparse/codec.hpp"

#include <algorithm>

namespace feddip::fl {

struct peer_training::trained {
    peer_report report;
    std::vector<double> densities;  // [prunable tensors]
    std::vector<std::byte> message; // the new model; empty where it has NaN or Inf
    peer_seconds took;
};

peer_reports peer_training::run(const ongoing_round& now, const run_state& state) {
    const auto on_batch = progress_of(now.plan.round, now.who, here_);
    peer_reports all;
    std::vector<trained> mine;
    for (const std::size_t s : now.who.slots_of(here_.ranks.rank())) {
        mine.push_back(train(now, now.who.at_slot(s), state, on_batch));
    }
    here_.ranks.any(false); // all have read the models of the rounds before, which a store may now let go
    for (const auto& t : mine) {
        if (!t.message.empty()) {
            here_.what.clients.save_model(t.report.record.id, now.plan.round, t.message);
        }
        all.clients.push_back(t.report);
        all.densities.insert(all.densities.end(), t.densities.begin(), t.densities.end());
        all.took.aggregate += t.took.aggregate;
        all.took.train += t.took.train;
        all.took.evaluate += t.took.evaluate;
    }
    return all;
}

peer_score peer_training::score_of(int client, const run_state& state) {
    return evaluated(model_of(state, client), client);
}

// What the client's peers get of it: its model as it was trained last, in the mask it was trained in.
global_model peer_training::model_of(const run_state& state, int client) const {
    const int kept_in = state.client_residual_round[static_cast<std::size_t>(client)];
    global_model model;
    if (kept_in >= 0) {
        decode(here_.what.clients.load_model(client, kept_in), here_.layout, model);
    } else {
        model.state = state.model.state;
        model.mask = here_.how->personal_mask(here_.layout, client);
        sparse::apply(model.mask, std::span(model.state).first(model.mask.size()));
    }
    return model;
}

// The mask that the client chose after its last training. It chooses when it trains again: nobody needs to
// know before, and the bits are the same.
sparse::mask peer_training::next_mask(const run_state& state, int client, const global_model& last) {
    const int kept_in = state.client_residual_round[static_cast<std::size_t>(client)];
    if (kept_in < 0) {
        return last.mask;
    }
    const auto gradient = [&] {
        return here_.trainer.gradient(last.state, kept_in, client, here_.drift.images_of(client, kept_in));
    };
    return here_.how->own_mask(here_.how->plan(kept_in), {here_.layout, last.state, last.mask, gradient});
}

peer_training::trained peer_training::train(const ongoing_round& now, const participant& who,
                                            const run_state& state, const std::function<void()>& on_batch) {
    const auto& layout = here_.layout;
    const int client = who.client;
    trained t;
    stopwatch phase;
    const auto last = model_of(state, client);
    auto together = senders_to(client, now.who.sampled, now.plan.round, here_.how->neighbours(),
                               here_.what.config.federation.seed);
    together.insert(std::ranges::lower_bound(together, client), client);
    intersection_average average(layout);
    for (const int peer : together) {
        average.add(peer == client ? last : model_of(state, peer));
    }
    const auto [start, pruning_error] = average.pruned_to(next_mask(state, client, last));
    t.took.aggregate = phase.lap();

    auto& r = t.report;
    r.record = here_.trainer.train(start, start.mask, now.plan, client, who.images, on_batch);
    t.took.train = phase.lap();

    r.position_bytes = sparse::encode(last.mask, layout, nullptr).size();
    r.message_bytes =
        r.position_bytes + message_bytes(last.mask.count(), layout.size() - layout.prunable_size());
    r.mask_change = sparse::change(start.mask, last.mask);
    r.pruning_error = pruning_error;
    t.densities = sparse::layer_densities(start.mask, layout);
    const auto weights = here_.trainer.weights();
    if (!all_finite(weights)) {
        log::warning("the model of client {} has NaN or Inf; the client keeps the one before", client);
        r.record.included = 0;
        return t;
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
