#include "fl/participation.hpp"

#include "base/error.hpp"
#include "fl/sampling.hpp"

#include <fmt/format.h>

namespace feddip::fl {

std::vector<std::size_t> cast::slots_of(int rank) const {
    std::vector<std::size_t> slots;
    for (std::size_t s = 0; s < owners.size(); ++s) {
        if (owners[s] == rank) {
            slots.push_back(s);
        }
    }
    return slots;
}

client_work work_of(int client, double images, int round, const config::federation_section& federation,
                    const fault_model& faults) {
    return {.client = client,
            .images = images * federation.local_epochs,
            .slowdown = faults.slowdown(round, client),
            .answers = !faults.drops_out(round, client)};
}

std::vector<int> senders_to(int client, std::span<const int> sampled, int round, int neighbours,
                            std::uint64_t seed, const fault_model& faults) {
    auto senders = neighbours_of(seed, round, sampled, client, neighbours);
    std::erase_if(senders, [&](int peer) { return faults.drops_out(round, peer); });
    return senders;
}

std::vector<client_record> records_of(const cast& who, std::span<const client_record> trained,
                                      const data::partition& shares) {
    std::vector<client_record> all;
    for (const int client : who.sampled) {
        if (!trained.empty() && trained.front().id == client) {
            all.push_back(trained.front());
            trained = trained.subspan(1);
        } else {
            const auto& share = shares.train[static_cast<std::size_t>(client)];
            all.push_back({.id = client,
                           .samples = static_cast<std::uint32_t>(share.size()),
                           .included = 0,
                           .dropped_out = 1});
        }
    }
    return all;
}

participation included(std::span<const client_record> clients, int round) {
    participation p;
    bool all_dropped_out = true;
    for (const auto& c : clients) {
        all_dropped_out = all_dropped_out && c.dropped_out != 0;
        if (c.included != 0) {
            p.samples += c.samples;
            p.train_loss += c.train_loss * c.samples;
        }
    }
    if (all_dropped_out) {
        return {.samples = 0, .train_loss = not_measured};
    }
    if (p.samples == 0) {
        throw error(
            "no usable update", fmt::format("round {}", round + 1),
            "every sampled client's weights became NaN or Inf; lower optimizer.learning_rate and resume from "
            "the last checkpoint");
    }
    p.train_loss /= static_cast<double>(p.samples);
    return p;
}

} // namespace feddip::fl
