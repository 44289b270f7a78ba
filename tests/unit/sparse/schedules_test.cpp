#include "sparse/schedules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace feddip::sparse;

TEST(sparsity_schedule, starts_at_the_initial_and_tends_to_the_target) {
    EXPECT_DOUBLE_EQ(sparsity_at(0, 100, 0.5, 0.9), 0.5);
    EXPECT_DOUBLE_EQ(sparsity_at(50, 100, 0.5, 0.9), 0.9 - 0.4 / 8);
    EXPECT_NEAR(sparsity_at(99, 100, 0.5, 0.9), 0.9, 1e-6);
}

TEST(regularization_schedule, of_the_paper_climbs_in_equal_segments) {
    EXPECT_EQ(regularization_at(0, 1000, 1e-3, 10, staircase::paper), 0.0);
    EXPECT_EQ(regularization_at(99, 1000, 1e-3, 10, staircase::paper), 0.0);
    EXPECT_DOUBLE_EQ(regularization_at(100, 1000, 1e-3, 10, staircase::paper), 1e-4);
    EXPECT_DOUBLE_EQ(regularization_at(999, 1000, 1e-3, 10, staircase::paper), 9e-4);
}

TEST(regularization_schedule, of_the_code_jumps_to_its_lowest_step_and_ends_one_step_below_the_maximum) {
    EXPECT_EQ(regularization_at(4, 100, 1e-3, 20, staircase::code), 0.0);
    EXPECT_DOUBLE_EQ(regularization_at(5, 100, 1e-3, 20, staircase::code), 5e-4);
    EXPECT_DOUBLE_EQ(regularization_at(99, 100, 1e-3, 20, staircase::code), 5e-4 + 18 * 5e-4 / 19);
}

// The authors' lambda_shrink_cur builds a list; ours must say the same for every round, remainders included.
TEST(regularization_schedule, of_the_code_equals_the_authors_list) {
    constexpr int segments = 20;
    constexpr double maximum = 1e-3;
    for (const int rounds : {8, 20, 107}) {
        std::vector<double> listed;
        for (int i = 0; i < segments; ++i) {
            const double value = i == 0 ? 0.0 : 5e-4 + (maximum - 5e-4) / (segments - 1) * (i - 1);
            const int length = rounds / segments + (i == segments - 1 ? rounds % segments : 0);
            listed.insert(listed.end(), static_cast<std::size_t>(length), value);
        }

        for (int round = 0; round < rounds; ++round) {
            ASSERT_NEAR(regularization_at(round, rounds, maximum, segments, staircase::code), listed[round],
                        1e-15)
                << round << " of " << rounds;
        }
    }
}

TEST(regularization_schedule, is_off_at_maximum_zero_whatever_the_staircase) {
    EXPECT_EQ(regularization_at(50, 100, 0.0, 20, staircase::code), 0.0);
}

TEST(regularization_schedule, of_the_paper_has_equal_segments_whatever_the_rounds_and_steps) {
    for (const int steps : {1, 3, 7, 10, 20}) {
        for (const int rounds : {1, 3, 8, 10, 25, 40, 107, 1000}) {
            std::vector<int> length(static_cast<std::size_t>(steps));
            for (int round = 0; round < rounds; ++round) {
                const double share = regularization_at(round, rounds, 1.0, steps, staircase::paper);
                const double segment = share * steps;
                ASSERT_NEAR(segment, std::round(segment), 1e-12);
                ++length.at(static_cast<std::size_t>(std::lround(segment)));
            }
            const auto [shortest, longest] = std::ranges::minmax(length);
            EXPECT_LE(longest - shortest, 1) << rounds << " rounds, " << steps << " steps";
            EXPECT_EQ(shortest == longest, rounds % steps == 0);
        }
    }
}

// The last of eight rounds is at 7 * 10 / 8 = 8.75, in the ninth of ten segments.
TEST(regularization_schedule, of_the_paper_skips_steps_where_there_are_more_than_rounds) {
    EXPECT_EQ(regularization_at(0, 8, 1e-3, 10, staircase::paper), 0.0);
    EXPECT_DOUBLE_EQ(regularization_at(1, 8, 1e-3, 10, staircase::paper), 1e-4);
    EXPECT_DOUBLE_EQ(regularization_at(4, 8, 1e-3, 10, staircase::paper), 5e-4);
    EXPECT_DOUBLE_EQ(regularization_at(7, 8, 1e-3, 10, staircase::paper), 8e-4);
}

TEST(regularization_schedule, of_the_paper_keeps_its_bits_where_the_steps_divide_the_rounds) {
    for (int round = 0; round < 1000; ++round) {
        ASSERT_EQ(regularization_at(round, 1000, 1e-3, 10, staircase::paper), 1e-3 * (round / 100) / 10);
    }
}

TEST(learning_rate_schedule, decays_each_round) {
    EXPECT_DOUBLE_EQ(learning_rate_at(0, 0.1, 0.998), 0.1);
    EXPECT_NEAR(learning_rate_at(2, 0.1, 0.998), 0.1 * 0.998 * 0.998, 1e-15);
}
