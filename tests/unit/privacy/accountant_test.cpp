#include "base/error.hpp"
#include "privacy/accountant.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

using namespace feddip;
using namespace feddip::privacy;

namespace {

double epsilon(const mechanism& what, double rounds, double delta) {
    accountant a;
    a.add(what, rounds);
    return a.spent(delta).epsilon;
}

} // namespace

TEST(Accountant, ReproducesPublishedEpsilons) {
    EXPECT_NEAR(epsilon({sampling::poisson, 0.04, 1.5}, 2250, 1e-5), 7.32911117143, 1e-6);
    EXPECT_NEAR(epsilon({sampling::poisson, 0.1, 1}, 1000, 1e-3), 21.888, 1e-3);
    EXPECT_NEAR(epsilon({sampling::poisson, 0.1, 2}, 1000, 1e-3), 6.868, 1e-3);
    EXPECT_NEAR(epsilon({sampling::poisson, 0.1, 4}, 1000, 1e-3), 2.742, 1e-3);
}

// What the README says of the paper's sampling beside Poisson's.
TEST(Accountant, SamplingWithoutReplacementCostsMore) {
    EXPECT_NEAR(epsilon({sampling::fixed_size, 0.1, 4}, 1000, 1e-3), 16.8, 0.05);
}

TEST(Accountant, ConvertsAConstantDivergenceAtTheLargestOrder) {
    std::vector<double> orders(31);
    std::iota(orders.begin(), orders.end(), 2);
    const auto [e, order] = spent(orders, std::vector(31, 1.1), 1e-5);
    EXPECT_NEAR(e, 1.32783806176, 1e-10);
    EXPECT_EQ(order, 32);
}

// Analytic: this noise gives exactly (1, 1e-6); a fine list of orders comes that close.
TEST(Accountant, ConvertsTheGaussianMechanism) {
    std::vector<double> orders;
    for (int i = 1001; i < 100000; ++i) {
        orders.push_back(0.001 * i);
    }
    EXPECT_NEAR(spent(orders, divergences(sampling::poisson, 1, 4.530877117, orders), 1e-6).epsilon, 1, 1e-6);
}

TEST(Accountant, AddsRoundsUp) {
    accountant one_by_one, at_once;
    for (int round = 0; round < 40; ++round) {
        one_by_one.add({sampling::poisson, 0.1, 1.0 + round % 2});
    }
    at_once.add({sampling::poisson, 0.1, 1}, 20);
    at_once.add({sampling::poisson, 0.1, 2}, 20);
    EXPECT_NEAR(one_by_one.spent(1e-5).epsilon, at_once.spent(1e-5).epsilon, 1e-12);
    EXPECT_EQ(one_by_one.spent(1e-5).order, at_once.spent(1e-5).order);
}

TEST(Accountant, NothingReleasedCostsNothing) {
    EXPECT_EQ(accountant().spent(1e-5).epsilon, 0);
    EXPECT_EQ(epsilon({sampling::poisson, 0.1, 0}, 0, 1e-5), 0);
    EXPECT_EQ(epsilon({sampling::poisson, 0, 1}, 100, 1e-5), 0);
    EXPECT_EQ(epsilon({sampling::poisson, 0.1, 0}, 1, 1e-5), std::numeric_limits<double>::infinity());
}

TEST(Accountant, FindsTheNoiseForABudget) {
    for (const auto how : {sampling::poisson, sampling::fixed_size}) {
        for (const double budget : {0.5, 2.0, 8.0, 100.0}) {
            mechanism what{how, 0.05, 0};
            what.noise_multiplier = noise_multiplier_for(budget, 1e-5, what, 200);
            EXPECT_LE(epsilon(what, 200, 1e-5), budget);
            what.noise_multiplier *= 1 - 2e-6;
            EXPECT_GT(epsilon(what, 200, 1e-5), budget) << "no more noise than it takes";
        }
    }
    EXPECT_NEAR(noise_multiplier_for(6.868, 1e-3, {sampling::poisson, 0.1}, 1000), 2, 1e-3);
}

TEST(Accountant, RefusesWhatNoNoiseCanGive) {
    EXPECT_THROW(noise_multiplier_for(0.01, 1e-5, {sampling::poisson, 0.1}, 1), input_error);
    EXPECT_THROW(noise_multiplier_for(0, 1e-5, {sampling::poisson, 0.1}, 1), input_error);
    EXPECT_THROW(noise_multiplier_for(std::nan(""), 1e-5, {sampling::poisson, 0.1}, 1), input_error);
    EXPECT_THROW(noise_multiplier_for(1, 0, {sampling::poisson, 0.1}, 1), input_error);
    EXPECT_THROW(noise_multiplier_for(1, 1, {sampling::poisson, 0.1}, 1), input_error);
}

TEST(Accountant, SaysWhichBudgetIsTheSmallest) {
    for (const auto how : {sampling::poisson, sampling::fixed_size}) {
        const mechanism what{how, 0.1};
        std::string why;
        try {
            noise_multiplier_for(0.1, 1e-5, what, 1000);
        } catch (const input_error& e) {
            why = e.what();
        }
        // log(62 / 63) - log(63e-5) / 62, and a thousandth more so that rounding doesn't make it too small.
        EXPECT_NE(why.find("the smallest is 0.103:"), std::string::npos) << why;
        EXPECT_NO_THROW(noise_multiplier_for(0.103, 1e-5, what, 1000));
        EXPECT_THROW(noise_multiplier_for(0.1028, 1e-5, what, 1000), input_error);
    }
}

TEST(Accountant, RefusesToMixKindsOfSampling) {
    accountant a;
    a.add({sampling::poisson, 0.1, 1});
    EXPECT_THROW(a.add({sampling::fixed_size, 0.1, 1}), input_error);
    EXPECT_THROW(a.add({sampling::poisson, 0.1, 1}, -1), input_error);
}
