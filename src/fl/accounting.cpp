#include "fl/accounting.hpp"

#include "fl/aggregation/secure_words.hpp"
#include "fl/message.hpp"
#include "fl/upload.hpp"
#include "privacy/secure_sum_message.hpp"
#include "sparse/codec.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace feddip::fl {

download_cost download_ledger::charge(run_state& state, int client) {
    auto& held = state.client_mask_version[static_cast<std::size_t>(client)];
    const std::uint64_t positions = held == state.model.mask_version ? 0 : mask_bytes(state, held);
    held = state.model.mask_version;
    const std::uint64_t values = sizeof(float) * upload_length(*layout_, state.model.mask, false);
    return {.bytes = header_bytes + positions + values, .positions = positions};
}

download_cost download_ledger::whole(const run_state& state) {
    constexpr std::uint32_t forgotten = 0xffffffff;
    const std::uint64_t positions = state.model.mask_version == 0 ? 0 : mask_bytes(state, forgotten);
    return {.bytes =
                header_bytes + positions + sizeof(float) * upload_length(*layout_, state.model.mask, false),
            .positions = positions};
}

std::uint64_t download_ledger::mask_bytes(const run_state& state, std::uint32_t held) {
    if (coded_version_ != state.model.mask_version) {
        coded_.clear();
        coded_version_ = state.model.mask_version;
    }
    const auto base = std::ranges::find(state.recent_masks, held, &versioned_mask::version);
    const bool remembered = base != state.recent_masks.end();
    // All holders of forgotten masks need the same.
    const std::uint32_t key = remembered ? held : state.model.mask_version;
    const auto known = coded_.find(key);
    if (known != coded_.end()) {
        return known->second;
    }
    const auto code = sparse::encode(state.model.mask, *layout_, remembered ? &base->mask : nullptr);
    return coded_[key] = code.size();
}

double reference_cost_mib(const parameter_layout& layout, double sparsity_down, double clients_down,
                          double sparsity_up, double clients_up) {
    const double whole = 32.0 * static_cast<double>(layout.trainable_size()) / (1 << 20);
    return whole * (clients_down * (1.0 - sparsity_down) + clients_up * (1.0 - sparsity_up));
}

start_cost cost_of(first_look look, const parameter_layout& layout, std::size_t alive,
                   std::uint64_t mask_bytes) {
    if (look == first_look::none) {
        return {};
    }
    start_cost cost{.bytes_down = 0, .bytes_up = header_bytes + mask_bytes, .positions = mask_bytes};
    if (look == first_look::training) {
        cost.bytes_down = header_bytes + sizeof(float) * layout.size();
        cost.bytes_up += sizeof(float) * (alive + layout.size() - layout.prunable_size());
    }
    return cost;
}

client_work work_of(const participant& who, double images, int epochs) {
    return {.client = who.client,
            .bytes_down = static_cast<double>(who.bytes_down),
            .images = images * epochs,
            .slowdown = who.slowdown,
            .answers = who.answers};
}

accounting::accounting(const workplace& here)
    : here_(here), downloads_(here.layout), links_(here.what.config.links, here.what.config.federation.seed) {
}

void accounting::charge_downloads(ongoing_round& now, run_state& state) {
    if (!here_.at_server()) {
        return;
    }
    if (here_.guarantee) {
        charge_expected(now, state);
        return;
    }
    auto& record = now.record;
    const auto start = std::exchange(owed_, {});
    record.bytes_down = start.bytes_down;
    record.bytes_up = start.bytes_up;
    record.bytes_positions = start.positions;
    for (auto& p : now.who.sampled) {
        const auto cost = downloads_.charge(state, p.client);
        p.bytes_down = cost.bytes;
        record.bytes_down += cost.bytes;
        record.bytes_positions += cost.positions;
    }
    const auto& mask = state.model.mask;
    record.reference_cost_mib =
        reference_cost_mib(here_.layout, mask.sparsity(), static_cast<double>(now.who.sampled.size()),
                           upload_sparsity(now.plan, mask), static_cast<double>(now.who.slots.size()));
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
    auto down = downloads_.whole(state);
    std::uint64_t up = header_bytes + sizeof(float) * values;
    if (config.privacy.secure_sum) {
        const auto own = privacy::secure_sum_traffic(secure_terms(
            config, now.plan.round, static_cast<std::uint32_t>(config.federation.clients_per_round), values));
        down.bytes += own.down;
        up = header_bytes + own.up;
    }
    now.record.bytes_down = of_all(clients, down.bytes);
    now.record.bytes_positions = of_all(clients, down.positions);
    now.record.bytes_up = of_all(uploads, up);
    now.record.reference_cost_mib =
        reference_cost_mib(here_.layout, mask.sparsity(), clients, upload_sparsity(now.plan, mask), uploads);
}

void accounting::charge_uploads(ongoing_round& now) const {
    if (!here_.at_server() || here_.guarantee) {
        return;
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
    std::vector<client_work> works;
    for (std::size_t i = 0; i < now.who.sampled.size(); ++i) {
        const auto& p = now.who.sampled[i];
        auto& c = now.record.clients[i];
        works.push_back(work_of(p, p.samples(), here_.what.config.federation.local_epochs));
        works.back().bytes_up = static_cast<double>(c.bytes_up);
        c.simulated_seconds = links_.seconds(works.back());
    }
    now.record.simulated_seconds = links_.round_seconds(works);
}

} // namespace feddip::fl
