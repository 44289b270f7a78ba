#include "fl/neighbourhood.hpp"

#include "base/random.hpp"
#include "fl/sampling.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace feddip::fl {

namespace {

// Smaller comes first.
std::pair<double, int> place_of(int client, int round, std::uint64_t seed) {
    random_stream random(seed, static_cast<std::uint32_t>(round), static_cast<std::uint32_t>(client),
                         purpose::queueing);
    return {random.uniform_double(), client};
}

template <typename Participants>
auto& of_client(Participants& sampled, int client) {
    return *std::ranges::lower_bound(sampled, client, {}, &participant::client);
}

} // namespace

void introduce(std::vector<participant>& sampled, const method& how, int round, std::uint64_t seed) {
    std::vector<int> ids;
    std::ranges::transform(sampled, std::back_inserter(ids), &participant::client);
    auto in_order = ids;
    const auto place = [&](int client) { return place_of(client, round, seed); };
    std::ranges::sort(in_order, {}, place);

    for (const int client : in_order) {
        auto& p = of_client(sampled, client);
        p.senders = neighbours_of(seed, round, ids, client, how.neighbours());
        std::erase_if(p.senders, [&](int peer) { return !of_client(sampled, peer).answers; });
        std::ranges::copy_if(p.senders, std::back_inserter(p.awaited),
                             [&](int peer) { return place(peer) < place(client); });
        std::ranges::sort(p.awaited, {}, place);
        p.awaited.resize(std::min(p.awaited.size(), static_cast<std::size_t>(how.waits())));
        std::ranges::sort(p.awaited);
        for (const int peer : p.awaited) {
            p.level = std::max(p.level, of_client(sampled, peer).level + 1);
        }
    }
}

void wait_for_peers(std::span<const participant> sampled, const link_model& links,
                    std::span<client_work> works) {
    std::vector<std::size_t> by_level(sampled.size());
    for (std::size_t i = 0; i < by_level.size(); ++i) {
        by_level[i] = i;
    }
    std::ranges::sort(by_level, {}, [&](std::size_t i) { return std::pair(sampled[i].level, i); });
    for (const std::size_t i : by_level) {
        for (const int peer : sampled[i].awaited) {
            const auto j = static_cast<std::size_t>(&of_client(sampled, peer) - sampled.data());
            works[i].begins = std::max(works[i].begins, links.seconds(works[j]));
        }
    }
}

} // namespace feddip::fl
