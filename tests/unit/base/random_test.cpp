#include "base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

using namespace feddip;

namespace {

std::vector<std::uint32_t> draw(random_stream s, int count) {
    std::vector<std::uint32_t> drawn(static_cast<std::size_t>(count));
    std::ranges::generate(drawn, std::ref(s));
    return drawn;
}

} // namespace

// The known-answer vector that Random123 publishes for philox4x32-10 with counter and key all zero.
TEST(random_stream, is_philox_4x32_10) {
    EXPECT_EQ(draw(random_stream(0, 0, 0, purpose::initialization), 4),
              (std::vector<std::uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

TEST(random_stream, repeats_itself_and_differs_in_seed_round_client_and_purpose) {
    const auto base = draw({1, 2, 3, purpose::shuffling}, 9);
    EXPECT_EQ(base, draw({1, 2, 3, purpose::shuffling}, 9));
    EXPECT_NE(base, draw({9, 2, 3, purpose::shuffling}, 9));
    EXPECT_NE(base, draw({1ULL << 32 | 1, 2, 3, purpose::shuffling}, 9));
    EXPECT_NE(base, draw({1, 9, 3, purpose::shuffling}, 9));
    EXPECT_NE(base, draw({1, 2, 9, purpose::shuffling}, 9));
    EXPECT_NE(base, draw({1, 2, 3, purpose::augmentation}, 9));
}

TEST(random_stream, below_is_uniform_and_stays_below) {
    random_stream random(5, 0, 0, purpose::test);
    std::vector<int> hits(7);
    for (int i = 0; i < 70000; ++i) {
        ++hits.at(random.below(7));
    }
    for (const int count : hits) {
        EXPECT_NEAR(count, 10000, 5 * std::sqrt(70000.0 * 6 / 49));
    }
}

TEST(random_stream, uniform_lies_in_the_half_open_unit_interval) {
    random_stream random(5, 1, 0, purpose::test);
    double sum = 0;
    for (int i = 0; i < 10000; ++i) {
        const float u = random.uniform();
        ASSERT_GE(u, 0.0F);
        ASSERT_LT(u, 1.0F);
        sum += u;
    }
    EXPECT_NEAR(sum / 10000, 0.5, 5 * std::sqrt(1.0 / 12 / 10000));
}

TEST(random_stream, gamma_has_mean_and_variance_equal_to_its_shape) {
    for (const double shape : {0.5, 1.0, 4.0}) {
        random_stream random(5, 2, 0, purpose::test);
        constexpr int n = 40000;
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < n; ++i) {
            const double g = random.gamma(shape);
            ASSERT_GT(g, 0.0);
            sum += g;
            squares += g * g;
        }
        const double mean = sum / n;
        EXPECT_NEAR(mean, shape, 5 * std::sqrt(shape / n));
        EXPECT_NEAR(squares / n - mean * mean, shape, 0.1 * shape + 0.05);
    }
}

TEST(random_stream, shuffle_permutes) {
    std::vector<int> items(100);
    std::iota(items.begin(), items.end(), 0);
    auto shuffled = items;
    random_stream random(5, 3, 0, purpose::test);

    random.shuffle(std::span(shuffled));

    EXPECT_NE(shuffled, items);
    std::ranges::sort(shuffled);
    EXPECT_EQ(shuffled, items);
}
