// A round among peers: each client has a model and a mask of its own, and the sampled ones exchange theirs
// with neighbours (method::neighbours).
#include "fl/accounting.hpp"
#include "fl/evaluation.hpp"
#include "fl/gathering.hpp"
#include "fl/measurement.hpp"
#include "fl/packing.hpp"
#include "fl/peer_training.hpp"
#include "fl/records.hpp"
#include "fl/roster.hpp"
#include "fl/world.hpp"

#include <algorithm>
#include <iterator>

namespace feddip::fl {

namespace {

// Over those that were measured.
template <typename Range, typename Value>
double mean(const Range& items, Value value) {
    std::vector<double> values;
    std::ranges::transform(items, std::back_inserter(values), value);
    return mean_of_measured(values);
}

// Every client's score, on rank 0; sampled clients' are measured anew when they train.
class scoreboard {
public:
    explicit scoreboard(workplace& here) : here_(here) {}

    // Collective.
    void measure_all(peer_training& clients, const run_state& state) {
        const int count = here_.what.config.federation.clients;
        const int ranks = here_.ranks.size();
        std::vector<peer_score> mine;
        for (int client = here_.ranks.rank(); client < count; client += ranks) {
            mine.push_back(clients.score_of(client, state));
        }
        const auto gathered = here_.ranks.gather(std::as_bytes(std::span<const peer_score>(mine)));
        std::vector<std::span<const std::byte>> rest(gathered.begin(), gathered.end());
        scores_.clear();
        for (int client = 0; client < count && here_.at_server(); ++client) {
            scores_.push_back(take_one<peer_score>(rest[static_cast<std::size_t>(client % ranks)]));
        }
    }

    void replace(int client, const peer_score& score) { scores_[static_cast<std::size_t>(client)] = score; }

    // Means over all clients, each with the model it has now on its own test share.
    void write(round_record& record) const {
        record.test_accuracy = mean(scores_, &peer_score::accuracy);
        record.test_loss = mean(scores_, &peer_score::loss);
        record.test_top5_accuracy = mean(scores_, &peer_score::top5_accuracy);
        for (auto& c : record.clients) {
            c.accuracy = scores_[static_cast<std::size_t>(c.id)].accuracy;
        }
    }

private:
    workplace& here_;
    std::vector<peer_score> scores_; // [clients]
};

class peers final : public world {
public:
    explicit peers(workplace& here)
        : here_(here), accounting_(here), roster_(here, accounting_),
          settling_(here.how->further_pruning(), here.what.config.federation.clients),
          training_(here, settling_), scores_(here) {}

    void prepare(run_state& state) override {
        scores_.measure_all(training_, state);
        std::ranges::for_each(state.history, [&](const auto& record) { settling_.listen(record); });
        settling_.share(here_.ranks);
    }

    void run(ongoing_round& now, run_state& state) override {
        roster_.call(now, state);
        const auto [all, mpi_bytes] = gathering_.run(training_.run(now, state), here_.ranks);
        if (here_.at_server()) {
            now.record.mpi_bytes = mpi_bytes;
            take(all, now, state);
            settling_.listen(now.record);
            describe_masks(all, now, state);
            accounting_.charge_exchange(exchanged_in(now, all.clients), now);
            if (evaluates(here_, now.plan.round)) {
                scores_.write(now.record);
            }
        }
        share_progress(state);
        settling_.share(here_.ranks);
        now.record.seconds_communicate = std::max(0.0, now.phase.lap() - all.took.all());
    }

private:
    void take(const peer_reports& all, ongoing_round& now, run_state& state) {
        std::vector<client_record> records;
        for (const auto& r : all.clients) {
            records.push_back(r.record);
            if (r.record.included != 0) {
                scores_.replace(r.record.id, r.on_own_share);
                state.client_kept_in[static_cast<std::size_t>(r.record.id)] = now.plan.round;
            }
        }
        auto& record = now.record;
        record.clients = records_of(now.who, records);
        record.train_loss = require_usable(record.clients, now.plan.round).train_loss;
        record.seconds_aggregate = all.took.aggregate;
        record.seconds_train = all.took.train;
        record.seconds_evaluate = all.took.evaluate;
    }

    // Means over the sampled clients that trained. Where none did: those of the round before, or, while
    // densities are fixed, of any mask.
    void describe_masks(const peer_reports& all, ongoing_round& now, const run_state& state) const {
        auto& record = now.record;
        const auto& layout = here_.layout;
        const auto clients = static_cast<double>(all.clients.size());
        if (all.clients.empty() && settling_.matters() && !state.history.empty()) {
            record.layer_density = state.history.back().layer_density;
        } else if (all.clients.empty()) {
            record.layer_density = sparse::layer_densities(
                here_.how->personal_mask(layout, now.who.sampled.front().client), layout);
        } else {
            record.layer_density.assign(layout.weights().size(), 0.0);
            for (std::size_t i = 0; i < all.densities.size(); ++i) {
                record.layer_density[i % record.layer_density.size()] += all.densities[i] / clients;
            }
            record.mask_change = mean(all.clients, &peer_report::mask_change);
            record.pruning_error = mean(all.clients, &peer_report::pruning_error);
        }
        double alive = 0;
        for (std::size_t l = 0; l < record.layer_density.size(); ++l) {
            alive += record.layer_density[l] * static_cast<double>(layout.weights()[l].size);
        }
        record.sparsity = 1 - alive / static_cast<double>(layout.prunable_size());
    }

    std::vector<exchanged> exchanged_in(const ongoing_round& now,
                                        std::span<const peer_report> trained) const {
        std::vector<exchanged> messages;
        for (const auto& p : now.who.sampled) {
            for (const int peer : p.senders) {
                const auto& sender = *std::ranges::find(trained, peer, [](auto& r) { return r.record.id; });
                const auto& sent = std::ranges::binary_search(p.awaited, peer) ? sender.after : sender.before;
                messages.push_back({peer, p.client, sent.message, sent.positions});
            }
        }
        return messages;
    }

    // Collective: which clients have a new model.
    void share_progress(run_state& state) const {
        state.client_kept_in = broadcast(here_.ranks, std::span<const std::int32_t>(state.client_kept_in));
    }

    workplace& here_;
    accounting accounting_;
    roster roster_;
    settling settling_;
    peer_training training_;
    scoreboard scores_;
    gathering<peer_reports> gathering_;
};

} // namespace

std::unique_ptr<world> make_peers(workplace& here) {
    return std::make_unique<peers>(here);
}

} // namespace feddip::fl
