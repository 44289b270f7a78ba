#include "fl/sampling.hpp"

#include "base/choice.hpp"
#include "base/random.hpp"
#include "privacy/noise.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

namespace feddip::fl {

namespace {

std::vector<int> draw(random_stream random, std::vector<int> ids, std::size_t count) {
    choose(ids, count, [&](std::size_t bound) { return random.below(static_cast<std::uint32_t>(bound)); });
    return ids;
}

std::vector<int> numbered(int clients) {
    std::vector<int> ids(static_cast<std::size_t>(clients));
    std::iota(ids.begin(), ids.end(), 0);
    return ids;
}

// Fills rank after rank up to `limit`.
std::vector<int> fill(std::span<const std::uint64_t> work, int first_rank, std::uint64_t limit) {
    std::vector<int> owners;
    int rank = first_rank;
    std::uint64_t load = 0;
    for (const std::uint64_t w : work) {
        if (load > 0 && load + w > limit) {
            ++rank;
            load = 0;
        }
        load += w;
        owners.push_back(rank);
    }
    return owners;
}

} // namespace

std::vector<int> sample_clients(std::uint64_t seed, int round, int clients, int count) {
    return draw({seed, static_cast<std::uint32_t>(round), 0, purpose::client_sampling}, numbered(clients),
                static_cast<std::size_t>(count));
}

std::vector<int> sample_secretly(const privacy::secret& key, int round, int clients, int count,
                                 config::sampling_kind how) {
    auto stream = privacy::noise_stream(privacy::noise_key(key), static_cast<std::uint64_t>(round),
                                        privacy::noise_of::draw);
    auto ids = numbered(clients);
    if (how == config::sampling_kind::poisson) {
        const double rate = static_cast<double>(count) / clients;
        std::erase_if(ids, [&](int) { return stream.uniform() >= rate; });
    } else {
        choose(ids, static_cast<std::size_t>(count), [&](std::size_t bound) {
            return static_cast<std::size_t>(stream.uniform() * static_cast<double>(bound));
        });
    }
    return ids;
}

std::vector<int> drop_out_secretly(const privacy::secret& key, int round, std::vector<int> clients,
                                   double probability) {
    auto stream = privacy::noise_stream(privacy::noise_key(key), static_cast<std::uint64_t>(round),
                                        privacy::noise_of::drop_outs);
    std::erase_if(clients, [&](int) { return stream.uniform() >= probability; });
    return clients;
}

std::vector<int> neighbours_of(std::uint64_t seed, int round, std::span<const int> sampled, int client,
                               int count) {
    std::vector<int> others;
    std::ranges::remove_copy(sampled, std::back_inserter(others), client);
    const auto drawn = std::min(static_cast<std::size_t>(count), others.size());
    return draw(
        {seed, static_cast<std::uint32_t>(round), static_cast<std::uint32_t>(client), purpose::neighbours},
        std::move(others), drawn);
}

std::vector<int> assign_slots(std::span<const std::uint64_t> work, int ranks, int first_rank) {
    if (work.empty()) {
        return {};
    }
    std::uint64_t low = std::ranges::max(work);
    std::uint64_t high = std::accumulate(work.begin(), work.end(), std::uint64_t{0});
    while (low < high) {
        const std::uint64_t limit = low + (high - low) / 2;
        if (fill(work, first_rank, limit).back() < ranks) {
            high = limit;
        } else {
            low = limit + 1;
        }
    }
    return fill(work, first_rank, low);
}

} // namespace feddip::fl
