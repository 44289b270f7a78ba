#include "fl/accounting.hpp"

#include "fl/aggregation/secure_words.hpp"
#include "fl/first_client.hpp"
#include "fl/neighbourhood.hpp"
#include "fl/upload.hpp"
#include "sparse/codec.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace feddip::fl {

namespace {

constexpr std::uint64_t width_bytes = 2 * sizeof(std::int32_t); // a slice's level and shift say all

bool is_whole(sparse::ladder_part part) {
    return part.level >= sparse::rungs;
}

held_part held_by(const run_state& state, int client) {
    return state.client_part.empty() ? held_part{} : state.client_part[static_cast<std::size_t>(client)];
}

// Whether the ranking that there is says what that part of the current mask is.
bool is_known(const held_part& held, const run_state& state) {
    return is_whole(held.part) || held.ranked_in == state.ladder_round;
}

// To a receiver there is no difference between all of a mask and no limit at all.
bool same_weights(sparse::ladder_part a, sparse::ladder_part b) {
    return a == b || (is_whole(a) && is_whole(b));
}

// The prunable weights that a client with the part trains and sends.
std::size_t weights_trained(const round_plan& plan, const run_state& state, sparse::ladder_part part) {
    if (part.limited()) {
        return state.ladder.count(part);
    }
    return plan.trains_all_weights() ? state.model.mask.size() : state.model.mask.count();
}

} // namespace

download_cost download_ledger::cost(const run_state& state, int client, sparse::ladder_part part) {
    const auto held = state.client_mask_version[static_cast<std::size_t>(client)];
    const auto its_part = held_by(state, client);
    const bool holds_it =
        held == state.model.mask_version && same_weights(its_part.part, part) && is_known(its_part, state);
    std::uint64_t positions = 0;
    if (part.limited() && state.ladder.slices_width()) {
        positions = width_bytes;
    } else if (!holds_it) {
        positions = mask_bytes(state, held, its_part, part);
    }
    const std::size_t weights = is_whole(part) ? state.model.mask.count() : state.ladder.count(part);
    const std::size_t tail = state.ladder.count_tail(part, layout_->size() - layout_->prunable_size());
    return {.bytes = positions + message_bytes(weights, tail), .positions = positions};
}

download_cost download_ledger::whole(const run_state& state) {
    constexpr std::uint32_t forgotten = 0xffffffff;
    const std::uint64_t positions = state.model.mask_version == 0 ? 0 : mask_bytes(state, forgotten, {}, {});
    const auto tail = layout_->size() - layout_->prunable_size();
    return {.bytes = positions + message_bytes(state.model.mask.count(), tail), .positions = positions};
}

download_cost download_ledger::charge(run_state& state, int client, sparse::ladder_part part) {
    const auto charged = cost(state, client, part);
    const auto its = static_cast<std::size_t>(client);
    state.client_mask_version[its] = state.model.mask_version;
    if (state.client_part.empty() && part.limited()) {
        state.client_part.resize(state.client_mask_version.size());
    }
    if (!state.client_part.empty()) {
        state.client_part[its] = {part, state.ladder_round};
    }
    return charged;
}

std::uint64_t download_ledger::mask_bytes(const run_state& state, std::uint32_t held,
                                          const held_part& its_part, sparse::ladder_part sent) {
    const std::pair version{state.model.mask_version, state.ladder_round};
    if (coded_version_ != version) {
        coded_.clear();
        coded_version_ = version;
    }
    const auto part_held = its_part.part;
    const auto remembered = std::ranges::find(state.recent_masks, held, &versioned_mask::version);
    const bool is_current = held == state.model.mask_version;
    const bool knows_a_base = is_current ? is_known(its_part, state)
                                         : is_whole(part_held) && remembered != state.recent_masks.end();
    // All who hold what is forgotten need the same.
    const auto key = knows_a_base ? transition{held, part_held.level, part_held.turn, sent.level, sent.turn}
                                  : transition{state.model.mask_version, 0, 0, sent.level, sent.turn};
    const auto known = coded_.find(key);
    if (known != coded_.end()) {
        return known->second;
    }
    const auto mask_of = [&](sparse::ladder_part part) {
        return is_whole(part) ? state.model.mask : state.ladder.part(part);
    };
    const auto target = mask_of(sent);
    sparse::mask base;
    if (knows_a_base) {
        base = is_current ? mask_of(part_held) : remembered->mask;
    }
    std::uint64_t bytes = sparse::encode(target, *layout_, knows_a_base ? &base : nullptr).size();
    if (knows_a_base && !(is_whole(sent) && is_whole(part_held))) {
        bytes = std::min<std::uint64_t>(bytes, sparse::encode(target, *layout_, nullptr).size());
    }
    return coded_[key] = bytes;
}

double reference_cost_mib(const parameter_layout& layout, double sparsity_down, double clients_down,
                          double sparsity_up, double clients_up) {
    const double whole = 32.0 * static_cast<double>(layout.trainable_size()) / (1 << 20);
    return whole * (clients_down * (1.0 - sparsity_down) + clients_up * (1.0 - sparsity_up));
}

client_work work_of(const participant& p, double images, const config::run_config& config) {
    return {.client = p.client,
            .bytes_down = static_cast<double>(p.bytes_down),
            .images = images * config.federation.local_epochs,
            .slowdown = p.slowdown,
            .answers = p.answers,
            .further_exchanges = further_exchanges(config, p.answers)};
}

client_work work_of(const start_cost& look) {
    return {.client = first_client::id,
            .bytes_down = static_cast<double>(look.bytes_down),
            .bytes_up = static_cast<double>(look.bytes_up),
            .images = look.images};
}

accounting::accounting(const workplace& here)
    : here_(here), downloads_(here.layout), links_(here.what.config) {}

void accounting::charge_downloads(ongoing_round& now, run_state& state) {
    if (!here_.at_server()) {
        return;
    }
    if (here_.guarantee) {
        charge_expected(now, state);
        return;
    }
    auto& record = now.record;
    paid_ = std::exchange(owed_, {});
    record.bytes_down = paid_.bytes_down;
    record.bytes_up = paid_.bytes_up;
    record.bytes_positions = paid_.positions;
    for (auto& p : now.who.sampled) {
        if (here_.what.config.budget.mode != config::budget_kind::none) {
            p.density = static_cast<double>(weights_trained(now.plan, state, p.part)) /
                        static_cast<double>(state.model.mask.size());
        }
        const auto cost = downloads_.charge(state, p.client, p.part);
        p.bytes_down = cost.bytes;
        record.bytes_down += cost.bytes;
        record.bytes_positions += cost.positions;
    }
    const auto& mask = state.model.mask;
    record.reference_cost_mib =
        reference_cost_mib(here_.layout, mask.sparsity(), static_cast<double>(now.who.sampled.size()),
                           upload_sparsity(now.plan, mask), static_cast<double>(now.who.slots.size()));
    if (now.ladder) {
        record.reference_cost_mib = 0;
        for (const auto& p : now.who.sampled) {
            const double down = p.part.limited() ? 1 - p.density : mask.sparsity();
            record.reference_cost_mib +=
                reference_cost_mib(here_.layout, down, 1, 1 - p.density, p.answers ? 1 : 0);
        }
    }
}

void accounting::charge_expected(ongoing_round& now, const run_state& state) {
    const auto& config = here_.what.config;
    const auto& mask = state.model.mask;
    const double clients = here_.guarantee->expected_clients();
    const double uploads = clients * (1 - config.faults.drop_probability);
    const auto of_all = [](double count, std::uint64_t each) {
        return static_cast<std::uint64_t>(std::llround(count * static_cast<double>(each)));
    };
    const std::size_t values = upload_length(here_.layout, mask, now.plan.trains_all_weights());
    const auto down = downloads_.whole(state);
    now.record.bytes_down = of_all(clients, down.bytes);
    now.record.bytes_positions = of_all(clients, down.positions);
    now.record.bytes_up = of_all(uploads, message_bytes(values, 0));
    if (config.privacy.secure_sum) {
        const auto own = secure_traffic(config, now.plan.round, values, config.faults.drop_probability);
        now.record.bytes_down += of_all(own.down, 1);
        now.record.bytes_up = of_all(uploads, header_bytes) + of_all(own.up, 1);
    }
    now.record.reference_cost_mib =
        reference_cost_mib(here_.layout, mask.sparsity(), clients, upload_sparsity(now.plan, mask), uploads);
}

exchange_price accounting::price(const round_plan& plan, const run_state& state, int client,
                                 sparse::ladder_part part) {
    const auto tail = state.ladder.count_tail(part, here_.layout.size() - here_.layout.prunable_size());
    return {.down = downloads_.cost(state, client, part).bytes,
            .up = upload_bytes(plan, weights_trained(plan, state, part), tail)};
}

void accounting::charge_uploads(ongoing_round& now, std::span<const exchanged_bytes> in_their_place) const {
    if (!here_.at_server() || here_.guarantee) {
        return;
    }
    for (std::size_t i = 0; i < in_their_place.size(); ++i) {
        auto& client = now.record.clients[i];
        client.bytes_up = in_their_place[i].up + (client.dropped_out != 0 ? 0 : header_bytes);
        now.who.sampled[i].bytes_down += in_their_place[i].down;
        now.record.bytes_down += in_their_place[i].down;
    }
    for (const auto& c : now.record.clients) {
        now.record.bytes_up += c.bytes_up;
        now.record.bytes_positions += c.bytes_positions;
    }
    simulate(now);
}

void accounting::charge_exchange(std::span<const exchanged> messages, ongoing_round& now) const {
    if (!here_.at_server()) {
        return;
    }
    auto& record = now.record;
    for (const auto& m : messages) {
        std::ranges::find(now.who.sampled, m.to, &participant::client)->bytes_down += m.bytes;
        auto& sender = *std::ranges::find(record.clients, m.from, &client_record::id);
        sender.bytes_up += m.bytes;
        sender.bytes_positions += m.positions;
        record.bytes_down += m.bytes;
        record.bytes_up += m.bytes;
        record.bytes_positions += 2 * m.positions;
    }
    const auto count = static_cast<double>(messages.size());
    record.reference_cost_mib =
        reference_cost_mib(here_.layout, record.sparsity, count, record.sparsity, count);
    simulate(now);
}

void accounting::simulate(ongoing_round& now) const {
    const auto& budget = here_.what.config.budget;
    std::vector<client_work> works;
    for (std::size_t i = 0; i < now.who.sampled.size(); ++i) {
        const auto& p = now.who.sampled[i];
        works.push_back(work_of(p, p.samples(), here_.what.config));
        works.back().bytes_up = static_cast<double>(now.record.clients[i].bytes_up);
        if (budget.goes_by_the_clock() && p.answers) {
            works.back().training_seconds = now.record.clients[i].seconds_train;
        }
    }
    wait_for_peers(now.who.sampled, links_, works);
    std::vector<client_work> in_time;
    for (std::size_t i = 0; i < now.who.sampled.size(); ++i) {
        const auto& p = now.who.sampled[i];
        auto& c = now.record.clients[i];
        c.simulated_seconds = p.late ? budget.deadline_s : links_.seconds(works[i]);
        if (!p.late) {
            in_time.push_back(works[i]);
        }
        c.bytes_down = p.bytes_down;
        c.density = p.density;
        c.link_class = links_.models_anything() ? static_cast<std::int32_t>(links_.class_of(p.client)) : -1;
        if (p.answers && p.feedback > 0 && p.kept_in >= 0) {
            c.feedback = p.feedback;
        }
        if (budget.has_deadline()) {
            c.deadline_met = p.answers && c.simulated_seconds <= budget.deadline_s ? 1 : 0;
        }
    }
    now.record.simulated_seconds = links_.round_seconds(in_time);
    if (budget.mode == config::budget_kind::drop) {
        const bool waits = !std::ranges::all_of(now.who.sampled, &participant::answers);
        now.record.simulated_seconds =
            waits ? budget.deadline_s : std::min(now.record.simulated_seconds, budget.deadline_s);
    }
    if (paid_.any()) {
        now.record.simulated_seconds += links_.seconds(work_of(paid_));
    }
}

} // namespace feddip::fl
