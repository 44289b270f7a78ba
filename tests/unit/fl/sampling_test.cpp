#include "fl/sampling.hpp"
#include "privacy/seeded_key_for_tests.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

using namespace feddip::fl;
using testing::ElementsAre;

namespace {

std::uint64_t largest_load(const std::vector<std::uint64_t>& work, const std::vector<int>& owners,
                           int ranks) {
    std::vector<std::uint64_t> load(static_cast<std::size_t>(ranks));
    for (std::size_t s = 0; s < work.size(); ++s) {
        load.at(static_cast<std::size_t>(owners[s])) += work[s];
    }
    return std::ranges::max(load);
}

// The best of all ways to cut `work` into at most `ranks` runs.
std::uint64_t best_by_trying(const std::vector<std::uint64_t>& work, std::size_t first, int ranks) {
    const auto rest =
        std::accumulate(work.begin() + static_cast<std::ptrdiff_t>(first), work.end(), std::uint64_t{0});
    if (ranks == 1) {
        return rest;
    }
    std::uint64_t best = rest;
    std::uint64_t head = 0;
    for (std::size_t cut = first; cut < work.size(); ++cut) {
        head += work[cut];
        best = std::min(best, std::max(head, best_by_trying(work, cut + 1, ranks - 1)));
    }
    return best;
}

} // namespace

TEST(sample_clients, are_distinct_ascending_and_in_range) {
    for (int round = 0; round < 200; ++round) {
        const auto ids = sample_clients(1, round, 50, 5);
        ASSERT_EQ(ids.size(), 5U);
        EXPECT_TRUE(std::ranges::is_sorted(ids));
        EXPECT_EQ(std::set<int>(ids.begin(), ids.end()).size(), 5U);
        EXPECT_GE(ids.front(), 0);
        EXPECT_LT(ids.back(), 50);
    }
}

TEST(sample_clients, is_uniform_over_clients) {
    std::vector<int> hits(20);
    constexpr int rounds = 5000;
    for (int round = 0; round < rounds; ++round) {
        for (const int id : sample_clients(3, round, 20, 4)) {
            ++hits[static_cast<std::size_t>(id)];
        }
    }
    // Binomial(5000, 1/5): 1000 +- 28; five standard deviations.
    EXPECT_THAT(hits, testing::Each(testing::AllOf(testing::Gt(858), testing::Lt(1142))));
}

TEST(sample_clients, takes_everybody_when_asked_to) {
    EXPECT_THAT(sample_clients(1, 7, 4, 4), ElementsAre(0, 1, 2, 3));
}

TEST(assign_slots, gives_each_rank_consecutive_slots) {
    EXPECT_THAT(assign_slots(std::vector<std::uint64_t>{1, 1, 1, 1, 1}, 2, 0), ElementsAre(0, 0, 0, 1, 1));
    EXPECT_THAT(assign_slots(std::vector<std::uint64_t>{9, 1, 1, 1}, 2, 0), ElementsAre(0, 1, 1, 1));
}

TEST(assign_slots, leaves_rank_0_out_when_it_does_not_train) {
    EXPECT_THAT(assign_slots(std::vector<std::uint64_t>{1, 1, 1, 1}, 3, 1), ElementsAre(1, 1, 2, 2));
}

TEST(assign_slots, copes_with_more_ranks_than_slots) {
    const auto owners = assign_slots(std::vector<std::uint64_t>{5, 5}, 4, 0);
    EXPECT_THAT(owners, ElementsAre(0, 1));
}

TEST(assign_slots, balances_as_well_as_consecutive_placement_can) {
    const std::vector<std::uint64_t> work{700, 120, 430, 980, 100, 360, 555, 240};
    for (int ranks = 1; ranks <= 5; ++ranks) {
        const auto owners = assign_slots(work, ranks, 0);
        EXPECT_TRUE(std::ranges::is_sorted(owners));
        EXPECT_EQ(largest_load(work, owners, ranks), best_by_trying(work, 0, ranks)) << ranks;
    }
}

TEST(neighbours_of, are_some_of_the_other_sampled_clients_drawn_anew_for_each_client_and_round) {
    const std::vector<int> sampled{2, 3, 5, 7, 11, 13};
    std::map<int, int> times;
    for (int round = 0; round < 3000; ++round) {
        const auto drawn = neighbours_of(1, round, sampled, 5, 2);
        ASSERT_EQ(drawn.size(), 2U);
        ASSERT_LT(drawn[0], drawn[1]);
        for (const int peer : drawn) {
            ASSERT_TRUE(std::ranges::count(sampled, peer) == 1 && peer != 5);
            ++times[peer];
        }
    }
    for (const auto& [peer, count] : times) {
        EXPECT_NEAR(count, 1200, 150) << peer; // more than five standard deviations
    }
    EXPECT_EQ(neighbours_of(1, 0, sampled, 5, 10), (std::vector<int>{2, 3, 7, 11, 13}));
    EXPECT_TRUE(neighbours_of(1, 0, std::vector<int>{5}, 5, 10).empty());
}

TEST(sample_secretly, draws_k_of_n_or_each_with_its_probability_by_key_and_round) {
    using feddip::config::sampling_kind;
    const auto key = feddip::privacy::seeded_key_for_tests(1).kept();
    const auto other = feddip::privacy::seeded_key_for_tests(2).kept();
    std::vector<int> times(10), times_fixed(10);
    constexpr int rounds = 3000;
    double squares = 0;
    for (int round = 0; round < rounds; ++round) {
        const auto ids = sample_secretly(key, round, 10, 3, sampling_kind::poisson);
        EXPECT_TRUE(std::ranges::is_sorted(ids));
        squares += (static_cast<double>(ids.size()) - 3) * (static_cast<double>(ids.size()) - 3);
        std::ranges::for_each(ids, [&](int id) { ++times.at(static_cast<std::size_t>(id)); });
        const auto fixed = sample_secretly(key, round, 10, 3, sampling_kind::fixed);
        EXPECT_EQ(std::set(fixed.begin(), fixed.end()).size(), 3U);
        EXPECT_TRUE(std::ranges::is_sorted(fixed));
        std::ranges::for_each(fixed, [&](int id) { ++times_fixed.at(static_cast<std::size_t>(id)); });
    }
    EXPECT_NEAR(squares / rounds, 10 * 0.3 * 0.7, 0.25) << "the variance of a binomial distribution";
    for (std::size_t id = 0; id < 10; ++id) { // standard deviation 25
        EXPECT_NEAR(times[id], 900, 100);
        EXPECT_NEAR(times_fixed[id], 900, 100);
    }
    EXPECT_EQ(sample_secretly(key, 7, 1000, 500, sampling_kind::poisson),
              sample_secretly(key, 7, 1000, 500, sampling_kind::poisson));
    EXPECT_NE(sample_secretly(key, 7, 1000, 500, sampling_kind::poisson),
              sample_secretly(other, 7, 1000, 500, sampling_kind::poisson));
    EXPECT_NE(sample_secretly(key, 7, 1000, 500, sampling_kind::fixed),
              sample_secretly(key, 8, 1000, 500, sampling_kind::fixed));
}
