#include "base/error.hpp"
#include "base/random.hpp"
#include "privacy/clipping.hpp"
#include "privacy/seeded_key_for_tests.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

using namespace feddip;
using namespace feddip::privacy;

namespace {

clipped clip_both(std::vector<float>& on_mask, std::vector<float>& tail, double bound) {
    const std::array<std::span<float>, 2> parts{std::span(on_mask), std::span(tail)};
    return clip(parts, bound);
}

key_stream counts() {
    return noise_stream(seeded_key_for_tests(1), 1, noise_of::count);
}

} // namespace

TEST(Clipping, CountsAllPartsOfAnUpdate) {
    std::vector<float> on_mask{3, 0}, tail{4};
    const auto was = clip_both(on_mask, tail, 1);
    EXPECT_EQ(was.norm, 5);
    EXPECT_FALSE(was.within);
    EXPECT_NEAR(on_mask[0], 0.6, 1e-6);
    EXPECT_NEAR(tail[0], 0.8, 1e-6);
}

TEST(Clipping, LeavesAShortUpdateAsItIs) {
    std::vector<float> on_mask{3, 0}, tail{4};
    EXPECT_TRUE(clip_both(on_mask, tail, 5.1).within);
    EXPECT_EQ(on_mask, (std::vector<float>{3, 0}));
    std::vector<float> nothing{0, 0};
    EXPECT_TRUE(clip_both(nothing, nothing, 0.1).within);
}

TEST(Clipping, NeverLeavesMoreThanTheBound) {
    random_stream random(1, 0, 0, purpose::test);
    for (int i = 0; i < 500; ++i) {
        std::vector<float> on_mask(1 + random.below(2000)), tail(random.below(50));
        const double size = std::pow(10.0, random.uniform() * 40 - 20);
        for (float& v : on_mask) {
            v = static_cast<float>(size * random.normal());
        }
        for (float& v : tail) {
            v = static_cast<float>(size * random.normal());
        }
        const double bound = size * std::pow(10.0, 4 * random.uniform() - 2);
        const auto was = clip_both(on_mask, tail, bound);
        long double squares = 0;
        for (const auto* part : {&on_mask, &tail}) {
            for (const float v : *part) {
                squares += static_cast<long double>(v) * v;
            }
        }
        ASSERT_LE(std::sqrt(squares), static_cast<long double>(bound));
        ASSERT_GE(std::sqrt(squares), std::min(was.norm, bound) * (1 - 1e-5));
    }
}

// Behind a 1, a million squares that are too small for the sum of doubles to notice.
TEST(Clipping, ExpectsThatAddingUpLosesSmallValues) {
    constexpr float small = 0x1p-27F;
    constexpr std::size_t count = 1 << 20;
    std::vector<float> update(count + 1, small), tail;
    update.front() = 1;
    const double norm = std::sqrt(1 + 0x1p-34);
    ASSERT_EQ(clip_both(update, tail, 2).norm, 1);
    clip_both(update, tail, 1 + 0x1p-36);
    EXPECT_LE(norm * update.front(), 1 + 0x1p-36) << "all values were made smaller alike";
}

TEST(Clipping, RefusesWhatHasNoNorm) {
    std::vector<float> good{1}, bad{std::numeric_limits<float>::quiet_NaN()},
        endless{std::numeric_limits<float>::infinity()};
    EXPECT_THROW(clip_both(good, bad, 1), error);
    EXPECT_THROW(clip_both(good, endless, 1), error);
    EXPECT_THROW(clip_both(good, good, 0), input_error);
    EXPECT_THROW(clip_both(good, good, std::nan("")), input_error);
}

// Andrew et al., equation 1 without noise: half are within at the median, and then the bound rests.
TEST(AdaptiveClipping, FollowsTheQuantile) {
    auto stream = counts();
    adaptive_clipping clipping{.bound = 2, .quantile = 0.5, .rate = 0.2, .count_noise = 0};
    EXPECT_DOUBLE_EQ(clipping.next(5, 10, 10, stream), 2);
    EXPECT_DOUBLE_EQ(clipping.next(10, 10, 10, stream), 2 * std::exp(-0.2 * 0.5));
    EXPECT_DOUBLE_EQ(clipping.next(0, 10, 10, stream), 2 * std::exp(0.2 * 0.5));

    random_stream random(1, 0, 0, purpose::test);
    clipping.quantile = 0.8;
    for (int round = 0; round < 400; ++round) {
        std::uint64_t within = 0;
        for (int client = 0; client < 100; ++client) {
            within += 10 * random.uniform() <= clipping.bound ? 1 : 0; // norms uniform in 0 .. 10
        }
        clipping.bound = clipping.next(within, 100, 100, stream);
    }
    EXPECT_NEAR(clipping.bound, 8, 0.5);
}

TEST(AdaptiveClipping, SeesTheNoisyCountOnly) {
    adaptive_clipping clipping{.bound = 1, .quantile = 0.5, .rate = 1, .count_noise = 3};
    auto stream = counts(), again = counts();
    const double share = 0.5 + (7 - 4.5 + gaussian(again, 3)) / 10;
    EXPECT_DOUBLE_EQ(clipping.next(7, 9, 10, stream), std::exp(-(share - 0.5)));
    EXPECT_THROW(clipping.next(2, 1, 10, stream), input_error);
    EXPECT_THROW(clipping.next(1, 1, 0, stream), input_error);
}

TEST(AdaptiveClipping, SplitsTheBudgetBetweenSumAndCount) {
    const double z = 1.2, count_noise = 5;
    const double of_sum = noise_multiplier_beside_count(z, count_noise);
    EXPECT_NEAR(1 / (of_sum * of_sum) + 1 / (4 * count_noise * count_noise), 1 / (z * z), 1e-14);
    EXPECT_EQ(noise_multiplier_beside_count(z, 0), z);
    EXPECT_THROW(noise_multiplier_beside_count(2, 1), input_error);
    EXPECT_THROW(noise_multiplier_beside_count(2, -5), input_error);
}
