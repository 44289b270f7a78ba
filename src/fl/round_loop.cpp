#include "fl/round_loop.hpp"

#include "base/clock.hpp"
#include "base/error.hpp"
#include "fl/client.hpp"
#include "fl/convergence.hpp"
#include "fl/evaluation.hpp"
#include "fl/faults.hpp"
#include "fl/first_client.hpp"
#include "fl/ledger.hpp"
#include "fl/link_model.hpp"
#include "fl/message.hpp"
#include "fl/packing.hpp"
#include "fl/participation.hpp"
#include "fl/peers.hpp"
#include "fl/sampling.hpp"
#include "fl/server.hpp"
#include "fl/update_sum.hpp"
#include "sparse/codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>

namespace feddip::fl {

namespace {

// What a rank tells rank 0 at the end of a round, beside its updates.
struct rank_report {
    double seconds_train = 0;
    std::uint64_t bytes_sent = 0; // since the run began
};

// All of them on rank 0 only.
struct updates {
    std::vector<float> total;           // sum over clients of samples x upload
    std::vector<client_record> clients; // in slot order
    double seconds_train = 0;           // of the slowest rank
    std::uint64_t bytes_sent = 0;       // on all ranks, since the run began
};

class federation {
public:
    federation(const experiment& what, transport& ranks, std::span<observer* const> observers)
        : config_(what.config), data_(what.data), shares_(what.shares), clients_(what.clients), ranks_(ranks),
          observers_(observers), method_(make_method(what.config)),
          network_({.model = config_.model.name,
                    .input = data_.facts.shape,
                    .classes = data_.facts.classes,
                    .max_batch = std::max(config_.federation.batch_size, evaluation_batch),
                    .kernels = config_.compute.kernels,
                    .precision = config_.compute.precision}),
          layout_(network_.layout()), trainer_(config_, data_, network_), downloads_(layout_),
          links_(config_.links, config_.federation.seed), faults_(config_.faults, config_.federation.seed) {
        if (method_->neighbours() > 0) {
            peers_.emplace(what, ranks, *method_, trainer_, network_, faults_, links_);
        }
    }

    run_result run(const run_info& info, const std::function<bool()>& stop_requested,
                   std::optional<run_state> resumed);

private:
    run_state initial_state();
    void look_first(global_model& model);
    round_record run_round(int round);
    round_record begun(const round_plan& plan) const;
    round_record run_round_of_peers(int round);
    cast cast_of(int round) const;
    std::function<void()> progress_of(int round, const cast& who) const;
    std::vector<client_work> charge_downloads(const round_plan& plan, const cast& who, round_record& record);
    updates train(const round_plan& plan, const cast& who);
    void add_update(update_sum& sum, std::size_t slot, const round_plan& plan, const sparse::mask& mask,
                    client_record& record);
    updates collect(update_sum& sum, std::span<const client_record> mine, rank_report report);
    void count_uploads(std::span<client_work> works, round_record& record) const;
    void share_progress();
    void broadcast_model(const versioned_mask* known);
    void remember(versioned_mask replaced);
    bool evaluates(int round) const;
    void evaluate(round_record& record);
    bool at_server() const { return ranks_.rank() == 0; }
    std::span<const std::uint32_t> images_of(int client) const {
        return shares_.train[static_cast<std::size_t>(client)];
    }
    bool looks_at_data() const { return method_->looks_first() != first_look::none; }

    const config::run_config& config_;
    const data::dataset& data_;
    const data::partition& shares_;
    client_store& clients_;
    transport& ranks_;
    std::span<observer* const> observers_;
    std::unique_ptr<method> method_;
    nn::network network_;
    const parameter_layout& layout_;
    local_trainer trainer_;
    download_ledger downloads_;
    link_model links_;
    fault_model faults_;
    std::optional<peers> peers_; // where there is no server
    run_state state_;
    start_cost first_look_;               // to be charged to the first round
    std::uint64_t bytes_sent_before_ = 0; // on all ranks, until the end of the last round
};

run_result federation::run(const run_info& info, const std::function<bool()>& stop_requested,
                           std::optional<run_state> resumed) {
    const bool continues = ranks_.any(resumed.has_value());
    state_ = resumed ? std::move(*resumed) : initial_state();
    if (continues) {
        share_progress();
    }
    if (continues || looks_at_data()) {
        broadcast_model(nullptr);
    }
    if (at_server()) {
        std::ranges::for_each(observers_, [&](observer* o) { o->on_start(info, state_); });
    }

    if (peers_ && state_.rounds_done < config_.federation.rounds) {
        peers_->start(state_);
    }
    bool stopped = false;
    while (state_.rounds_done < config_.federation.rounds && !stopped) {
        auto record = peers_ ? run_round_of_peers(state_.rounds_done) : run_round(state_.rounds_done);
        ++state_.rounds_done;
        if (at_server()) {
            state_.history.push_back(std::move(record));
            std::ranges::for_each(observers_, [&](observer* o) { o->on_round(state_); });
        }
        stopped = ranks_.any(stop_requested());
    }

    const bool complete = state_.rounds_done >= config_.federation.rounds;
    if (at_server()) {
        std::ranges::for_each(observers_, [&](observer* o) { o->on_finish(state_, complete); });
    }
    return {.state = std::move(state_), .complete = complete};
}

// The same on every rank, so that nothing needs to be sent, unless data are looked at: on rank 0 alone.
run_state federation::initial_state() {
    run_state state;
    state.client_mask_version.assign(static_cast<std::size_t>(config_.federation.clients), 0);
    state.client_residual_round.assign(static_cast<std::size_t>(config_.federation.clients), -1);
    state.model.state.resize(layout_.size());
    initialize(layout_, config_.federation.seed, state.model.state);

    versioned_mask all_alive{.version = 0, .mask = {layout_.prunable_size(), true}};
    state.model.mask = method_->start_mask(layout_);
    if (at_server() && looks_at_data()) {
        look_first(state.model);
    }
    if (state.model.mask != all_alive.mask) {
        state.model.mask_version = 1;
        sparse::apply(state.model.mask, std::span(state.model.state).first(layout_.prunable_size()));
        state.recent_masks.push_back(std::move(all_alive));
    }
    if (looks_at_data()) {
        state.client_mask_version[first_client::id] = state.model.mask_version; // it chose the mask
    }
    return state;
}

void federation::look_first(global_model& model) {
    first_client client(trainer_, layout_, shares_.train[first_client::id]);
    model.mask = method_->look(client, model.state);
    first_look_ = cost_of(method_->looks_first(), layout_, model.mask.count(),
                          sparse::encode(model.mask, layout_, nullptr).size());
}

// server: w', m -> clients: train -> updates -> sum -> server: average, reconfigure, prune -> broadcast ->
// evaluate. The broadcast at the end of round t is the download of round t + 1: all ranks begin with w'_t.
round_record federation::run_round(int round) {
    stopwatch whole;
    const auto plan = method_->plan(round);
    const auto who = cast_of(round);
    auto& model = state_.model;

    auto record = begun(plan);
    auto works = at_server() ? charge_downloads(plan, who, record) : std::vector<client_work>{};

    stopwatch phase;
    auto received = train(plan, who);
    record.seconds_train = received.seconds_train;
    record.seconds_communicate = std::max(0.0, phase.lap() - received.seconds_train);

    versioned_mask held{model.mask_version, model.mask};
    if (at_server()) {
        record.clients = records_of(who, received.clients, shares_);
        count_uploads(works, record);
        const auto average = included(record.clients, round);
        record.train_loss = average.train_loss;
        if (average.samples > 0) { // else nobody was left, and the model stays as it is
            const auto report = finish_round(*method_, plan, layout_, received.total, average.samples, model);
            record.mask_change = report.mask_change;
            record.pruning_error = report.pruning_error;
        }
        record.sparsity = model.mask.sparsity();
        record.layer_density = sparse::layer_densities(model.mask, layout_);
    }
    record.seconds_aggregate = phase.lap();

    broadcast_model(&held);
    ranks_.any(false); // a broadcast may return here long before the model has crossed a slow link
    if (at_server() && model.mask_version != held.version) {
        remember(std::move(held));
    }
    record.seconds_communicate += phase.lap();

    if (evaluates(round)) {
        evaluate(record);
    }
    const int analysed = config_.analysis.convergence_every;
    if (analysed > 0 && (round + 1) % analysed == 0) {
        const auto gradients =
            measure_gradients(model, data_, shares_, network_, ranks_, config_.federation.seed, round);
        record.grad_norm_squared = gradients.norm_squared;
        record.gradient_divergence = gradients.divergence;
    }
    record.seconds_evaluate = phase.lap();
    record.mpi_bytes = received.bytes_sent - bytes_sent_before_;
    bytes_sent_before_ = received.bytes_sent;
    record.seconds_round = whole.seconds();
    return record;
}

// At the server: what each sampled client receives, before any has trained. Returns their work, without
// uploads.
std::vector<client_work> federation::charge_downloads(const round_plan& plan, const cast& who,
                                                      round_record& record) {
    const auto& model = state_.model;
    const auto start = std::exchange(first_look_, {});
    record.bytes_down = start.bytes_down;
    record.bytes_up = start.bytes_up;
    record.bytes_positions = start.positions;
    std::vector<client_work> works;
    for (const int client : who.sampled) {
        const auto cost = downloads_.charge(state_, client);
        works.push_back(work_of(client, static_cast<double>(images_of(client).size()), plan.round,
                                config_.federation, faults_));
        works.back().bytes_down = static_cast<double>(cost.bytes);
        record.bytes_down += cost.bytes;
        record.bytes_positions += cost.positions;
    }
    record.reference_cost_mib = reference_cost_mib(layout_, model.mask.sparsity(), who.sampled.size(),
                                                   upload_sparsity(plan, model.mask), who.clients.size());
    return works;
}

// At the server: what each sampled client has sent, and how long all that would have taken it.
void federation::count_uploads(std::span<client_work> works, round_record& record) const {
    for (std::size_t s = 0; s < works.size(); ++s) {
        auto& c = record.clients[s];
        record.bytes_up += c.bytes_up;
        record.bytes_positions += c.bytes_positions;
        works[s].bytes_up = static_cast<double>(c.bytes_up);
        c.simulated_seconds = links_.seconds(works[s]);
    }
    record.simulated_seconds = links_.round_seconds(works);
}

round_record federation::begun(const round_plan& plan) const {
    round_record record;
    record.round = plan.round + 1;
    record.learning_rate = plan.sgd.learning_rate;
    record.regularization = plan.sgd.regularization;
    record.target_sparsity = plan.target_sparsity;
    return record;
}

// clients: neighbours' models -> average -> train -> evaluate, without a server: rank 0 only takes records.
round_record federation::run_round_of_peers(int round) {
    stopwatch whole;
    const auto plan = method_->plan(round);
    const auto who = cast_of(round);
    auto record = begun(plan);
    const auto sent = peers_->run(plan, who, progress_of(round, who), state_, record);
    record.mpi_bytes = sent - std::exchange(bytes_sent_before_, sent);
    if (at_server() && evaluates(round)) {
        peers_->evaluate(record);
    }
    record.seconds_round = whole.seconds();
    return record;
}

bool federation::evaluates(int round) const {
    const auto& f = config_.federation;
    return (round + 1) % f.evaluate_every == 0 || round + 1 == f.rounds;
}

cast federation::cast_of(int round) const {
    const auto& f = config_.federation;
    cast who{.sampled = sample_clients(f.seed, round, f.clients, f.clients_per_round),
             .clients = {},
             .owners = {}};
    std::ranges::remove_copy_if(who.sampled, std::back_inserter(who.clients),
                                [&](int client) { return faults_.drops_out(round, client); });
    std::vector<std::uint64_t> work;
    for (const int client : who.clients) {
        work.push_back(images_of(client).size());
    }
    const int first_rank = f.rank0_trains || ranks_.size() == 1 ? 0 : 1;
    who.owners = assign_slots(work, ranks_.size(), first_rank);
    return who;
}

// To be called after each minibatch of this rank's clients.
std::function<void()> federation::progress_of(int round, const cast& who) const {
    int batches = 0;
    for (const std::size_t s : who.slots_of(ranks_.rank())) {
        batches += trainer_.batches(images_of(who.clients[s]).size());
    }
    return [this, round, batches, done = 0]() mutable {
        ++done;
        if (at_server()) {
            const double share = static_cast<double>(done) / batches;
            std::ranges::for_each(observers_, [&](observer* o) { o->on_progress(round + 1, share); });
        }
    };
}

// This rank's clients train one after another; each upload joins the sum as soon as it is there.
updates federation::train(const round_plan& plan, const cast& who) {
    update_sum sum(ranks_, plan, layout_, state_.model, who.owners);

    const auto on_batch = progress_of(plan.round, who);
    rank_report report;
    std::vector<client_record> records;
    for (const std::size_t s : who.slots_of(ranks_.rank())) {
        stopwatch training;
        const int client = who.clients[s];
        const auto seen_through = method_->client_mask(plan, layout_, client);
        const auto& mask = seen_through ? *seen_through : state_.model.mask;
        records.push_back(trainer_.train(state_.model, mask, plan, client, images_of(client), on_batch));
        report.seconds_train += training.seconds();
        add_update(sum, s, plan, mask, records.back());
    }
    if (plan.keeps_residual) {
        for (const int client : who.clients) {
            state_.client_residual_round[static_cast<std::size_t>(client)] = plan.round;
        }
    }
    return collect(sum, records, report);
}

void federation::add_update(update_sum& sum, std::size_t slot, const round_plan& plan,
                            const sparse::mask& mask, client_record& record) {
    const auto weights = trainer_.weights();
    upload_extras extras{.own_mask = nullptr, .squared_gradients = trainer_.squared_gradients()};
    sparse::mask own;
    if (plan.upload == upload_content::own_mask) {
        const auto gradient = [&] {
            return trainer_.gradient(weights, plan.round, record.id, images_of(record.id));
        };
        own = method_->own_mask(plan, {layout_, weights, mask, gradient});
        extras.own_mask = &own;
    }
    std::vector<float> residual;
    if (plan.keeps_residual) {
        const int kept_in = state_.client_residual_round[static_cast<std::size_t>(record.id)];
        residual =
            kept_in < 0 ? std::vector<float>(layout_.prunable_size()) : clients_.load(record.id, kept_in);
    }
    sum.add(static_cast<int>(slot), weights, record, residual, extras);
    if (plan.keeps_residual) {
        clients_.save(record.id, plan.round, residual);
    }
}

// Owners ascend with slots, so that what ranks report, one after the other, is in slot order.
updates federation::collect(update_sum& sum, std::span<const client_record> mine, rank_report report) {
    updates received;
    received.total = sum.finish();

    report.bytes_sent = ranks_.bytes_sent();
    std::vector<std::byte> message;
    append(message, std::span<const rank_report>(&report, 1));
    append(message, mine);
    const auto gathered = ranks_.gather(message);
    for (std::span<const std::byte> rest : gathered) {
        const auto theirs = take_one<rank_report>(rest);
        received.seconds_train = std::max(received.seconds_train, theirs.seconds_train);
        received.bytes_sent += theirs.bytes_sent;
        std::ranges::copy(take_rest<client_record>(rest), std::back_inserter(received.clients));
    }
    return received;
}

// What every rank needs to know of a resumed run beside the model: [rounds done | round of each client's
// residual].
void federation::share_progress() {
    std::vector<std::int32_t> progress{state_.rounds_done};
    progress.insert(progress.end(), state_.client_residual_round.begin(), state_.client_residual_round.end());
    progress = broadcast(ranks_, std::span<const std::int32_t>(progress));
    state_.rounds_done = progress.front();
    state_.client_residual_round.assign(progress.begin() + 1, progress.end());
}

// Every rank's model becomes rank 0's. `known` is the mask that all ranks hold; null when they hold none.
void federation::broadcast_model(const versioned_mask* known) {
    std::vector<std::byte> message;
    if (at_server()) {
        message = encode(state_.model, layout_, state_.rounds_done, known);
    }
    ranks_.broadcast(message);
    if (!at_server()) {
        decode(message, layout_, state_.model);
    }
}

void federation::remember(versioned_mask replaced) {
    auto& masks = state_.recent_masks;
    masks.push_back(std::move(replaced));
    if (masks.size() > remembered_masks) {
        masks.erase(masks.begin());
    }
}

void federation::evaluate(round_record& record) {
    const auto measured = fl::evaluate(state_.model, data_, network_, ranks_);
    if (!at_server()) {
        return;
    }
    record.test_accuracy = measured.accuracy;
    record.test_loss = measured.loss;
    record.test_top5_accuracy = measured.top5_accuracy;
    if (config_.data.partition != config::partition_kind::iid) {
        const auto by_client = accuracy_by_client(measured, shares_);
        record.test_accuracy = mean_of_measured(by_client);
        for (auto& c : record.clients) {
            c.accuracy = by_client[static_cast<std::size_t>(c.id)];
        }
    }
}

} // namespace

run_result run(const experiment& what, transport& ranks, const run_info& info,
               std::span<observer* const> observers, const std::function<bool()>& stop_requested,
               std::optional<run_state> resumed) {
    return federation(what, ranks, observers).run(info, stop_requested, std::move(resumed));
}

} // namespace feddip::fl
