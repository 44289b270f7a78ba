#include "privacy/failing_sum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace feddip::privacy {
namespace {

TEST(failing_sum, needs_two_clients_that_poisson_sampling_may_not_draw) {
    // None or one of 10, or of 9, with probability 0.3.
    const auto of = [](int n) { return std::pow(0.7, n) + n * 0.3 * std::pow(0.7, n - 1); };
    EXPECT_NEAR(probability_of_failing({.clients = 10, .rate = 0.3}), of(9), 1e-12);
    EXPECT_GT(of(9), of(10));
}

TEST(failing_sum, needs_a_majority_that_stays) {
    // All of four are drawn, and 0, 1 or 2 stay where three are needed; or all of the three without one.
    const double d = 0.1;
    const double of_four = std::pow(d, 4) + 4 * std::pow(d, 3) * (1 - d) + 6 * d * d * (1 - d) * (1 - d);
    const double of_three = std::pow(d, 3) + 3 * d * d * (1 - d);
    EXPECT_NEAR(probability_of_failing({.clients = 4, .rate = 1, .drop_probability = d}),
                std::max(of_four, of_three), 1e-12);
    EXPECT_EQ(probability_of_failing({.clients = 4, .rate = 1}), 0);
    EXPECT_EQ(probability_of_failing({.clients = 4, .rate = 1, .drop_probability = 1}), 1);
}

TEST(failing_sum, is_beyond_all_deltas_with_fifty_of_a_thousand) {
    EXPECT_LT(probability_of_failing({.clients = 1000, .rate = 0.05}), 1e-19);
}

} // namespace
} // namespace feddip::privacy
