#include "fl/sampling.hpp"

#include "base/random.hpp"

#include <algorithm>
#include <numeric>

namespace feddip::fl {

std::vector<int> sample_clients(std::uint64_t seed, int round, int clients, int count) {
    random_stream random(seed, static_cast<std::uint32_t>(round), 0, purpose::client_sampling);
    std::vector<int> ids(static_cast<std::size_t>(clients));
    std::iota(ids.begin(), ids.end(), 0);
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        std::swap(ids[i], ids[i + random.below(static_cast<std::uint32_t>(ids.size() - i))]);
    }
    ids.resize(static_cast<std::size_t>(count));
    std::ranges::sort(ids);
    return ids;
}

namespace {

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
