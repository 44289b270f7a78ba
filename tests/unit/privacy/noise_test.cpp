#include "base/error.hpp"
#include "privacy/noise.hpp"
#include "privacy/seeded_key_for_tests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace feddip;
using namespace feddip::privacy;

// Kolmogorov-Smirnov: 1.95 / sqrt(n) is passed by chance once in a thousand keys, and this key is fixed.
TEST(Noise, IsGaussian) {
    constexpr int n = 100000;
    auto stream = noise_stream(seeded_key_for_tests(5), 1, noise_of::sum);
    std::vector<float> drawn(n, 0.0F);
    add_gaussian(stream, 3, drawn);
    std::ranges::sort(drawn);
    double distance = 0;
    for (int i = 0; i < n; ++i) {
        const double expected = std::erfc(-drawn[i] / 3 / std::sqrt(2.0)) / 2;
        distance = std::max({distance, expected - static_cast<double>(i) / n, (i + 1.0) / n - expected});
    }
    EXPECT_LT(distance, 1.95 / std::sqrt(n));
}

TEST(Noise, IsAddedToWhatIsThere) {
    auto once = noise_stream(seeded_key_for_tests(5), 1, noise_of::sum);
    auto again = noise_stream(seeded_key_for_tests(5), 1, noise_of::sum);
    std::vector<float> values{1, 2, 3};
    add_gaussian(once, 0.5, values);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(values[i], static_cast<float>(i + 1 + gaussian(again, 0.5)));
    }
    const auto noisy = values;
    add_gaussian(once, 0, values);
    EXPECT_EQ(values, noisy);
}

// A round that is computed again after a run was killed must not draw other noise: two draws are worth two
// releases.
TEST(Noise, OfARoundIsAFunctionOfTheKeptKey) {
    const noise_key key = noise_key::fresh();
    const noise_key restored(secret(key.kept().bytes()));
    const auto draw = [](const noise_key& k, std::uint64_t round, noise_of what) {
        auto stream = noise_stream(k, round, what);
        return gaussian(stream, 1);
    };
    EXPECT_EQ(draw(key, 7, noise_of::sum), draw(restored, 7, noise_of::sum));
    EXPECT_NE(draw(key, 7, noise_of::sum), draw(key, 8, noise_of::sum));
    EXPECT_NE(draw(key, 7, noise_of::sum), draw(key, 7, noise_of::count));
    EXPECT_NE(draw(key, 7, noise_of::sum), draw(noise_key::fresh(), 7, noise_of::sum));
}

TEST(Noise, RefusesWhatIsNoDeviation) {
    auto stream = noise_stream(noise_key::fresh(), 1, noise_of::sum);
    EXPECT_THROW(gaussian(stream, -1), input_error);
    EXPECT_THROW(gaussian(stream, std::nan("")), input_error);
}
