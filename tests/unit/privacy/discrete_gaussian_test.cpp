#include "base/error.hpp"
#include "privacy/discrete_gaussian.hpp"
#include "privacy/seeded_key_for_tests.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

using namespace feddip;
using namespace feddip::privacy;

namespace {

key_stream stream_of(std::uint64_t seed) {
    return noise_stream(seeded_key_for_tests(seed), 1, noise_of::sum);
}

} // namespace

// Pearson's statistic over all values that are expected five times or more; its normal approximation is
// passed by chance once in a thousand keys.
TEST(DiscreteGaussian, HasTheProbabilitiesItStates) {
    for (const double deviation : {0.5, 1.0, 2.7, 12.0}) {
        const discrete_gaussian noise(deviation);
        const auto variance = static_cast<double>(noise.variance());
        constexpr int n = 100000;
        auto stream = stream_of(3);
        std::map<std::int64_t, int> seen;
        for (int i = 0; i < n; ++i) {
            ++seen[noise(stream)];
        }

        double mass = 0;
        for (int x = -400; x <= 400; ++x) {
            mass += std::exp(-x * x / (2 * variance));
        }
        double statistic = 0, outside = n, outside_seen = n;
        int cells = 0;
        for (int x = -400; x <= 400; ++x) {
            const double expected = n * std::exp(-x * x / (2 * variance)) / mass;
            if (expected >= 5) {
                statistic += (seen[x] - expected) * (seen[x] - expected) / expected;
                outside -= expected;
                outside_seen -= seen[x];
                ++cells;
            }
        }
        EXPECT_LT(statistic, cells - 1 + 3.1 * std::sqrt(2.0 * cells)) << deviation;
        EXPECT_LT(std::abs(outside_seen - outside), 5 + 5 * std::sqrt(outside + 1)) << deviation;
    }
}

TEST(DiscreteGaussian, StaysExactWhereVariancesAreLarge) {
    for (const double deviation : {1000.0, 123456.7, 0x1p24}) {
        const discrete_gaussian noise(deviation);
        constexpr int n = 20000;
        auto stream = stream_of(4);
        double sum = 0, squares = 0, within = 0;
        for (int i = 0; i < n; ++i) {
            const double x = static_cast<double>(noise(stream)) / deviation;
            sum += x;
            squares += x * x;
            within += std::abs(x) < 1 ? 1 : 0;
        }
        EXPECT_NEAR(sum / n, 0, 3.3 / std::sqrt(n)) << deviation;
        EXPECT_NEAR(squares / n, 1, 3.3 * std::sqrt(2.0 / n)) << deviation;
        EXPECT_NEAR(within / n, std::erf(1 / std::sqrt(2.0)), 3.3 * std::sqrt(0.22 / n)) << deviation;
    }
}

TEST(DiscreteGaussian, VarianceIsNeverLessThanAskedFor) {
    EXPECT_EQ(discrete_gaussian(0.1).variance(), 1U);
    EXPECT_EQ(discrete_gaussian(1).variance(), 1U);
    EXPECT_EQ(discrete_gaussian(2.5).variance(), 7U);
    EXPECT_EQ(discrete_gaussian(0x1p24).variance(), std::uint64_t{1} << 48);
    for (const double refused : {0.0, -1.0, 0x1p24 + 2, std::nan("")}) {
        EXPECT_THROW(discrete_gaussian{refused}, input_error) << refused;
    }
}

TEST(DiscreteGaussian, IsAddedModuloTheWord) {
    const discrete_gaussian noise(20);
    auto once = stream_of(6), again = stream_of(6);
    std::vector<std::uint32_t> words{0, 0xFFFFFFFFU, 5};
    const auto before = words;
    add_discrete_gaussian(once, noise, std::span(words));
    for (std::size_t i = 0; i < words.size(); ++i) {
        EXPECT_EQ(static_cast<std::int32_t>(words[i] - before[i]), noise(again));
    }
}
