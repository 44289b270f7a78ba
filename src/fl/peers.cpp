#include "fl/peers.hpp"

#include "base/clock.hpp"
#include "base/floats.hpp"
#include "base/log.hpp"
#include "fl/evaluation.hpp"
#include "fl/ledger.hpp"
#include "fl/message.hpp"
#include "fl/packing.hpp"
#include "fl/sampling.hpp"
#include "sparse/codec.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <utility>

namespace feddip::fl {

namespace {

// What a rank did in a round, beside its clients' reports.
struct rank_summary {
    double seconds_aggregate = 0, seconds_train = 0, seconds_evaluate = 0;
    std::uint64_t bytes_sent = 0; // since the run began
    std::uint64_t clients = 0;

    double seconds() const { return seconds_aggregate + seconds_train + seconds_evaluate; }
};

// Over those that were measured.
template <typename Range, typename Value>
double mean(const Range& items, Value value) {
    std::vector<double> values;
    std::ranges::transform(items, std::back_inserter(values), value);
    return mean_of_measured(values);
}

} // namespace

intersection_average::intersection_average(const parameter_layout& layout)
    : layout_(&layout), sum_(layout.size()), alive_in_(layout.prunable_size()) {}

void intersection_average::add(const global_model& model) {
    ++models_;
    model.mask.for_each_alive([&](std::size_t i) {
        sum_[i] += model.state[i];
        ++alive_in_[i];
    });
    for (std::size_t i = layout_->prunable_size(); i < sum_.size(); ++i) {
        sum_[i] += model.state[i];
    }
}

intersection_average::result intersection_average::pruned_to(sparse::mask mask) {
    double before = 0;
    double after = 0;
    for (std::size_t i = 0; i < sum_.size(); ++i) {
        const bool prunable = i < alive_in_.size();
        const auto models = prunable ? alive_in_[i] : static_cast<std::uint32_t>(models_);
        if (models > 0) {
            sum_[i] /= static_cast<float>(models);
        }
        if (prunable) {
            const double square = static_cast<double>(sum_[i]) * sum_[i];
            before += square;
            after += mask[i] ? square : 0;
        }
    }
    sparse::apply(mask, std::span(sum_).first(mask.size()));
    return {.model = {.state = std::move(sum_), .mask = std::move(mask)},
            .pruning_error = before > 0 ? (before - after) / before : 0.0};
}

struct peers::trained {
    report of_client;
    std::vector<double> densities;  // [prunable tensors]
    std::vector<std::byte> message; // the new model; empty where it has NaN or Inf
    rank_summary took;
};

peers::peers(const experiment& what, transport& ranks, const method& how, local_trainer& trainer,
             nn::network& network, const fault_model& faults, const link_model& links)
    : what_(what), ranks_(ranks), method_(how), trainer_(trainer), network_(network), faults_(faults),
      links_(links) {}

void peers::start(const run_state& state) {
    const int clients = what_.config.federation.clients;
    std::vector<score> mine;
    for (int client = ranks_.rank(); client < clients; client += ranks_.size()) {
        mine.push_back(evaluated(model_of(state, client), client));
    }
    const auto gathered = ranks_.gather(std::as_bytes(std::span<const score>(mine)));
    if (ranks_.rank() != 0) {
        return;
    }
    std::vector<std::span<const std::byte>> rest(gathered.begin(), gathered.end());
    scores_.clear();
    for (int client = 0; client < clients; ++client) {
        scores_.push_back(take_one<score>(rest[static_cast<std::size_t>(client % ranks_.size())]));
    }
}

std::uint64_t peers::run(const round_plan& plan, const cast& who, const std::function<void()>& on_batch,
                         run_state& state, round_record& record) {
    const stopwatch whole;
    std::vector<trained> mine;
    for (const std::size_t s : who.slots_of(ranks_.rank())) {
        mine.push_back(train(plan, who, who.clients[s], state, on_batch));
    }
    ranks_.any(false); // all have read the models of the rounds before, which a store may now let go
    for (const auto& t : mine) {
        if (!t.message.empty()) {
            what_.clients.save_model(t.of_client.record.id, plan.round, t.message);
        }
    }
    const auto gathered = ranks_.gather(packed(mine));
    std::uint64_t bytes_sent = 0;
    if (ranks_.rank() == 0) {
        bytes_sent = take_reports(gathered, who, plan.round, state, record);
    }
    state.client_residual_round =
        broadcast(ranks_, std::span<const std::int32_t>(state.client_residual_round));
    record.seconds_communicate = std::max(0.0, whole.seconds() - record.seconds_aggregate -
                                                   record.seconds_train - record.seconds_evaluate);
    return bytes_sent;
}

void peers::evaluate(round_record& record) const {
    record.test_accuracy = mean(scores_, &score::accuracy);
    record.test_loss = mean(scores_, &score::loss);
    record.test_top5_accuracy = mean(scores_, &score::top5_accuracy);
    for (auto& c : record.clients) {
        c.accuracy = scores_[static_cast<std::size_t>(c.id)].accuracy;
    }
}

// What the client's peers get of it: its model as it was trained last, in the mask it was trained in.
global_model peers::model_of(const run_state& state, int client) const {
    const auto& layout = network_.layout();
    const int kept_in = state.client_residual_round[static_cast<std::size_t>(client)];
    global_model model;
    if (kept_in >= 0) {
        decode(what_.clients.load_model(client, kept_in), layout, model);
    } else {
        model.state = state.model.state;
        model.mask = *method_.client_mask(method_.plan(0), layout, client);
        sparse::apply(model.mask, std::span(model.state).first(model.mask.size()));
    }
    return model;
}

// The mask that the client chose after its last training. It chooses when it trains again: nobody needs to
// know before, and the bits are the same.
sparse::mask peers::next_mask(const run_state& state, int client, const global_model& last) {
    const int kept_in = state.client_residual_round[static_cast<std::size_t>(client)];
    if (kept_in < 0) {
        return last.mask;
    }
    const auto gradient = [&] { return trainer_.gradient(last.state, kept_in, client, images_of(client)); };
    return method_.own_mask(method_.plan(kept_in), {network_.layout(), last.state, last.mask, gradient});
}

peers::trained peers::train(const round_plan& plan, const cast& who, int client, const run_state& state,
                            const std::function<void()>& on_batch) {
    const auto& layout = network_.layout();
    trained t;
    stopwatch phase;
    const auto last = model_of(state, client);
    auto together = senders_to(client, who, plan.round);
    together.insert(std::ranges::lower_bound(together, client), client);
    intersection_average average(layout);
    for (const int peer : together) {
        average.add(peer == client ? last : model_of(state, peer));
    }
    const auto [start, pruning_error] = average.pruned_to(next_mask(state, client, last));
    t.took.seconds_aggregate = phase.lap();

    auto& r = t.of_client;
    r.record = trainer_.train(start, start.mask, plan, client, images_of(client), on_batch);
    t.took.seconds_train = phase.lap();

    r.position_bytes = sparse::encode(last.mask, layout, nullptr).size();
    r.message_bytes =
        header_bytes + r.position_bytes + sizeof(float) * upload_length(layout, last.mask, false);
    r.mask_change = sparse::change(start.mask, last.mask);
    r.pruning_error = pruning_error;
    t.densities = sparse::layer_densities(start.mask, layout);
    const auto weights = trainer_.weights();
    if (!all_finite(weights)) {
        log::warning("the model of client {} has NaN or Inf; the client keeps the one before", client);
        r.record.included = 0;
        return t;
    }
    const global_model now{.state = {weights.begin(), weights.end()}, .mask = start.mask};
    r.on_own_share = evaluated(now, client);
    t.message = encode(now, layout, plan.round, nullptr);
    t.took.seconds_evaluate = phase.lap();
    return t;
}

peers::score peers::evaluated(const global_model& model, int client) {
    const auto& share = what_.shares.test[static_cast<std::size_t>(client)];
    const auto measured = fl::evaluate(model, what_.data, share, network_);
    return {.accuracy = measured.accuracy, .loss = measured.loss, .top5_accuracy = measured.top5_accuracy};
}

std::vector<int> peers::senders_to(int client, const cast& who, int round) const {
    return fl::senders_to(client, who.sampled, round, method_.neighbours(), what_.config.federation.seed,
                          faults_);
}

// [rank_summary | its clients' reports | the densities of their masks].
std::vector<std::byte> peers::packed(std::span<const trained> mine) const {
    rank_summary summary{.bytes_sent = ranks_.bytes_sent(), .clients = mine.size()};
    std::vector<report> reports;
    std::vector<double> densities;
    for (const auto& t : mine) {
        summary.seconds_aggregate += t.took.seconds_aggregate;
        summary.seconds_train += t.took.seconds_train;
        summary.seconds_evaluate += t.took.seconds_evaluate;
        reports.push_back(t.of_client);
        densities.insert(densities.end(), t.densities.begin(), t.densities.end());
    }
    std::vector<std::byte> message;
    append(message, std::span<const rank_summary>(&summary, 1));
    append(message, std::span<const report>(reports));
    append(message, std::span<const double>(densities));
    return message;
}

// Owners ascend with slots, so that what ranks report, one after the other, is in slot order.
std::uint64_t peers::take_reports(std::span<const std::vector<std::byte>> gathered, const cast& who,
                                  int round, run_state& state, round_record& record) {
    const std::size_t tensors = network_.layout().weights().size();
    rank_summary slowest;
    std::uint64_t bytes_sent = 0;
    std::vector<report> reports;
    std::vector<double> densities;
    for (std::span<const std::byte> rest : gathered) {
        const auto summary = take_one<rank_summary>(rest);
        bytes_sent += summary.bytes_sent;
        slowest = summary.seconds() > slowest.seconds() ? summary : slowest;
        std::ranges::copy(take<report>(rest, summary.clients), std::back_inserter(reports));
        std::ranges::copy(take<double>(rest, summary.clients * tensors), std::back_inserter(densities));
    }
    record.seconds_aggregate = slowest.seconds_aggregate;
    record.seconds_train = slowest.seconds_train;
    record.seconds_evaluate = slowest.seconds_evaluate;

    std::vector<client_record> records;
    for (const auto& r : reports) {
        records.push_back(r.record);
        if (r.record.included != 0) {
            scores_[static_cast<std::size_t>(r.record.id)] = r.on_own_share;
            state.client_residual_round[static_cast<std::size_t>(r.record.id)] = round;
        }
    }
    record.clients = records_of(who, records, what_.shares);
    record.train_loss = included(record.clients, round).train_loss;
    describe_masks(reports, densities, who, record);
    charge(reports, who, round, record);
    return bytes_sent;
}

// Means over the sampled clients that trained. Where none did: densities are fixed, and those of any mask
// will do.
void peers::describe_masks(std::span<const report> reports, std::span<const double> densities,
                           const cast& who, round_record& record) const {
    const auto& layout = network_.layout();
    const auto clients = static_cast<double>(reports.size());
    if (reports.empty()) {
        const auto any = method_.client_mask(method_.plan(0), layout, who.sampled.front());
        record.layer_density = sparse::layer_densities(*any, layout);
    } else {
        record.layer_density.assign(layout.weights().size(), 0.0);
        for (std::size_t i = 0; i < densities.size(); ++i) {
            record.layer_density[i % record.layer_density.size()] += densities[i] / clients;
        }
        record.mask_change = mean(reports, &report::mask_change);
        record.pruning_error = mean(reports, &report::pruning_error);
    }
    double alive = 0;
    for (std::size_t l = 0; l < record.layer_density.size(); ++l) {
        alive += record.layer_density[l] * static_cast<double>(layout.weights()[l].size);
    }
    record.sparsity = 1 - alive / static_cast<double>(layout.prunable_size());
}

// Each message is sent once by one client and received once by another.
void peers::charge(std::span<const report> reports, const cast& who, int round, round_record& record) const {
    std::map<int, const report*> sent;
    for (const auto& r : reports) {
        sent[r.record.id] = &r;
    }
    std::map<int, client_work> works;
    for (const auto& c : record.clients) {
        works[c.id] = work_of(c.id, c.samples, round, what_.config.federation, faults_);
    }
    std::size_t messages = 0;
    for (auto& c : record.clients) {
        auto& work = works[c.id];
        for (const int peer : senders_to(c.id, who, round)) {
            const auto& message = *sent.at(peer);
            ++messages;
            work.bytes_down += static_cast<double>(message.message_bytes);
            works[peer].bytes_up += static_cast<double>(message.message_bytes);
            record.bytes_down += message.message_bytes;
            record.bytes_up += message.message_bytes;
            record.bytes_positions += 2 * message.position_bytes;
            auto& sender = *std::ranges::find(record.clients, peer, &client_record::id);
            sender.bytes_up += message.message_bytes;
            sender.bytes_positions += message.position_bytes;
        }
    }
    std::vector<client_work> all;
    for (auto& c : record.clients) {
        all.push_back(works[c.id]);
        c.simulated_seconds = links_.seconds(all.back());
    }
    record.simulated_seconds = links_.round_seconds(all);
    record.reference_cost_mib =
        reference_cost_mib(network_.layout(), record.sparsity, messages, record.sparsity, messages);
}

std::span<const std::uint32_t> peers::images_of(int client) const {
    return what_.shares.train[static_cast<std::size_t>(client)];
}

} // namespace feddip::fl
