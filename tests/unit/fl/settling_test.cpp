#include "fl/in_process_transport.hpp"
#include "fl/settling.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

using namespace feddip;
using namespace feddip::fl;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

using distance_of = std::pair<int, double>; // of a client

round_record round_of(int t, const std::vector<distance_of>& clients) {
    round_record record;
    record.round = t + 1;
    for (const auto& [id, far] : clients) {
        record.clients.push_back({.id = id, .distance = far});
    }
    return record;
}

std::vector<int> prunings(const settling& all, int rounds) {
    std::vector<int> due;
    for (int t = 0; t < rounds; ++t) {
        if (all.prunes_in(t)) {
            due.push_back(t);
        }
    }
    return due;
}

// Two clients whose models stand still from round `t` on.
settling settled_in(int t, pruning_rhythm rhythm) {
    settling all(rhythm, 2);
    for (int round = 0; round <= t; ++round) {
        const double far = round < t ? 1 + round : t;
        all.listen(round_of(round, {{0, far}, {1, far}}));
    }
    return all;
}

} // namespace

TEST(distance, is_the_sum_over_tensors_of_euclidean_ones) {
    const parameter_layout layout({{"a.weight", role::weight, {2, 1}, 0, 0, 1},
                                   {"a.bias", role::bias, {1}, 0, 0, 1},
                                   {"n.running_mean", role::running_mean, {1}, 0, 0, 0}});
    EXPECT_DOUBLE_EQ(distance(layout, std::vector<float>{4, 5, 1, 0}, std::vector<float>{1, 1, 3, 0.5F}),
                     5 + 2 + 0.5);
}

TEST(settling, is_agreed_on_where_half_of_the_sampled_clients_change_little) {
    settling all({.threshold = 0.1, .pace = 2}, 4);
    all.listen(round_of(0, {{0, 10}, {1, 2}, {2, 1}}));
    all.listen(round_of(1, {{0, 11}, {1, 2.5}, {3, 7}})); // 0: 1/10; 1: 0.5/2; 3 for the first time
    EXPECT_THAT(prunings(all, 20), IsEmpty());
    all.listen(round_of(2, {{1, 2.6}, {2, 1.5}})); // 1: 0.1/2; 2: 0.5/1
    EXPECT_THAT(prunings(all, 8), ElementsAre(3, 4, 5, 6, 7));
    all.listen(round_of(3, {{0, 99}, {1, 99}})); // once is enough
    EXPECT_THAT(prunings(all, 8), ElementsAre(3, 4, 5, 6, 7));
}

TEST(settling, counts_those_that_dropped_out_as_unsettled) {
    settling all({.threshold = 0.1, .pace = 2}, 3);
    all.listen(round_of(0, {{0, 1}, {1, not_measured}, {2, not_measured}}));
    all.listen(round_of(1, {{0, 1}, {1, not_measured}, {2, not_measured}}));
    EXPECT_THAT(prunings(all, 8), IsEmpty());
    all.listen(round_of(2, {{0, 1}, {1, not_measured}}));
    EXPECT_TRUE(all.prunes_in(3));
}

TEST(settling, has_gaps_that_shrink_by_the_pace) {
    EXPECT_THAT(prunings(settled_in(20, {.threshold = 0.01, .pace = 2}), 45),
                ElementsAre(21, 31, 36, 38, 39, 40, 41, 42, 43, 44)); // 20, 10, 5, 2 (of 2.5), 1 ...
    EXPECT_THAT(prunings(settled_in(11, {.threshold = 0.01, .pace = 2}), 26),
                ElementsAre(12, 18, 21, 23, 24, 25)); // 6 (of 5.5), 3, 2 (of 1.5), 1 ...
    EXPECT_THAT(prunings(settled_in(3, {.threshold = 0.01, .pace = 1}), 12), ElementsAre(4, 7, 10));
}

TEST(settling, does_not_matter_at_a_threshold_of_0) {
    auto all = settled_in(3, {.threshold = 0, .pace = 1});
    in_process_transport alone;
    all.share(alone);
    EXPECT_FALSE(all.matters());
    EXPECT_THAT(prunings(all, 100), IsEmpty());
}
