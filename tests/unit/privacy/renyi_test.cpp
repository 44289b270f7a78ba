#include "base/error.hpp"
#include "privacy/renyi.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

using namespace feddip;
using privacy::sampling;

namespace {

double poisson(double rate, double s, double order) {
    return privacy::divergences(sampling::poisson, rate, s, std::array{order}).front();
}
double fixed_size(double rate, double noise_multiplier, double order) {
    return privacy::divergences(sampling::fixed_size, rate, noise_multiplier, std::array{order}).front();
}

struct value {
    double rate, s, order, expected;
};

} // namespace

// The figures that dp-accounting's and TensorFlow Privacy's own tests hold, to 1e-4 relative as there.
TEST(Renyi, AgreesWithWhatPublicAccountantsPublish) {
    for (const auto& [rate, s, order, expected] : {value{0.01, 2.5, 2.5, 1.08548710e-3}, //
                                                   value{0.01, 2.5, 5, 2.18075656e-3},   //
                                                   value{0.01, 2.5, 50, 2.38460375e-2},  //
                                                   value{0.01, 2.5, 100, 167.416308}}) {
        EXPECT_NEAR(50 * poisson(rate, s, order) / expected, 1, 1e-4) << order;
    }
    EXPECT_NEAR(10 * poisson(0.1, 2, 5), 0.0773697, 1e-4 * 0.0773697);
}

// Numerical integrals of the definition at 50 digits (mpmath), over all that may go wrong: no cancellation
// near 0, no overflow, a mode between those of the two parts, a rate near 1.
TEST(Renyi, IsTheIntegralAtFractionalOrders) {
    for (const auto& [rate, s, order, expected] :
         {value{0.01, 2.5, 1.5, 1.3001417943760794e-5}, value{0.01, 2.5, 2.5, 2.1708361138362485e-5},
          value{1e-7, 0.1, 1.1, 4.7722515881348934e-5}, value{1e-7, 0.1, 1.5, 26.645716320430266},
          value{1e-5, 0.1, 256.1, 12793.441943506159}, value{1e-4, 1, 1.5, 1.2885373907673298e-8},
          value{0.1, 100, 20.5, 1.0252214593881176e-5}, value{0.999, 100, 256.1, 0.012779725746660573},
          value{0.99, 0.1, 10.9, 544.98893447870675}, value{0.5, 0.05, 1.5, 297.92055845832016},
          value{1e-9, 1, 1.5, 1.2887113696029475e-18}, value{1e-9, 1, 2.5, 2.1478522884760339e-18},
          value{0.5, 1000, 3.3, 4.1250028875014755e-7}, value{0.1, 0.7, 1.1, 0.022889266285074859},
          value{0.04, 1.5, 10.9, 0.0065916720680729078}, value{1e-3, 0.02, 1.5, 1854.2767341630536},
          value{0.01, 0.5, 2.7, 0.026493545593958262}}) {
        EXPECT_NEAR(poisson(rate, s, order) / expected, 1, 1e-10) << rate << ' ' << s << ' ' << order;
    }
}

// The series of signed terms, and of their magnitudes: why public accountants disagree at order 1.5
// (renyi.hpp).
TEST(Renyi, FollowsTheSignedValueAtOrderOneAndAHalf) {
    EXPECT_NEAR(50 * poisson(0.01, 2.5, 1.5), 6.50070897e-4, 1e-12);
    const double by_magnitudes = 6.70579741e-4, at_order_two = 50 * poisson(0.01, 2.5, 2);
    EXPECT_LT(50 * poisson(0.01, 2.5, 1.5), by_magnitudes);
    EXPECT_NEAR(at_order_two, 8.67e-4, 1e-6);
}

// Whole orders are summed and fractional ones integrated: one curve all the same.
TEST(Renyi, WholeAndFractionalOrdersAreOneCurve) {
    for (const double rate : {1e-6, 0.02, 0.5, 0.999}) {
        for (const double s : {0.02, 0.3, 1.0, 4.0, 100.0}) {
            for (const double order : {2.0, 3.0, 10.0, 63.0}) {
                const double at = poisson(rate, s, order);
                EXPECT_NEAR((poisson(rate, s, order - 1e-7) + poisson(rate, s, order + 1e-7)) / (2 * at), 1,
                            1e-6)
                    << rate << ' ' << s << ' ' << order;
            }
        }
    }
}

TEST(Renyi, GrowsWithOrderAndRateAndFallsWithNoise) {
    for (const auto how : {sampling::poisson, sampling::fixed_size}) {
        const auto at = [how](double rate, double s, double order) {
            return privacy::divergences(how, rate, s, std::array{order}).front();
        };
        for (const double order : {1.1, 1.9, 2.0, 4.4, 30.0}) {
            for (const double s : {0.005, 0.05, 0.7, 3.0, 50.0}) {
                EXPECT_LE(at(0.01, s, order), at(0.02, s, order));
                EXPECT_LE(at(0.5, s, order), at(1, s, order) * (1 + 1e-12));
                EXPECT_GE(at(0.1, s, order), at(0.1, 1.5 * s, order));
                EXPECT_LE(at(0.1, s, order), at(0.1, s, order + 0.3) * (1 + 1e-12));
            }
        }
    }
}

TEST(Renyi, EveryoneTakingPartIsTheGaussianMechanism) {
    EXPECT_DOUBLE_EQ(poisson(1, 2, 3.5), 3.5 / 8);
    EXPECT_DOUBLE_EQ(fixed_size(1, 2, 3.5), 4 * 3.5 / 8) << "a client replaced changes the sum by 2 C";
    EXPECT_EQ(poisson(0, 2, 3.5), 0);
    EXPECT_EQ(poisson(0.1, 0, 3.5), std::numeric_limits<double>::infinity());
}

// TensorFlow Privacy's test of theorem 27, whose 2.5 is over the sensitivity: over C it is 5.
TEST(Renyi, SamplingWithoutReplacementIsTheoremTwentySeven) {
    for (const auto& [order, published] : {std::pair{1.001, 0.003470},
                                           {1.5, 0.003470},
                                           {2.5, 0.004638},
                                           {5.0, 0.0087633},
                                           {50.0, 0.098474},
                                           {100.0, 167.766388}}) {
        EXPECT_NEAR(50 * fixed_size(0.01, 5, order), published, 1e-5) << order;
    }
    EXPECT_NEAR(50 * fixed_size(0.01, 5, 50), 0.0984741503, 1e-9) << "by mpmath's differences, at 40 digits";
}

TEST(Renyi, DiscreteNoiseCostsTheSameAtWholeOrdersAndTheChordBetween) {
    const std::array orders{2.0, 2.5, 3.0};
    const auto d = privacy::discrete_divergences(sampling::poisson, 0.1, 1.5, orders);
    EXPECT_EQ(d[0], poisson(0.1, 1.5, 2));
    EXPECT_EQ(d[2], poisson(0.1, 1.5, 3));
    EXPECT_NEAR(d[1], (d[0] + 2 * d[2]) / 2 / 1.5, 1e-15);
    EXPECT_GT(d[1], poisson(0.1, 1.5, 2.5));
}

// The claim behind it: the expectation over the whole numbers themselves, both ways round, at sensitivity 3
// units.
TEST(Renyi, DiscreteNoiseIsWhatASumOverWholeNumbersGives) {
    constexpr double shift = 3, sigma = 4.5, rate = 0.3;
    for (const int order : {2, 5}) {
        double there = 0, back = 0, mass = 0;
        for (int x = -200; x <= 200; ++x) {
            const double without = std::exp(-x * x / (2 * sigma * sigma));
            const double with = std::exp(-(x - shift) * (x - shift) / (2 * sigma * sigma));
            const double mixed = (1 - rate) * without + rate * with;
            if (without > 0) {
                there += without * std::pow(mixed / without, order);
                back += mixed * std::pow(without / mixed, order);
            }
            mass += without;
        }
        const double d = privacy::discrete_divergences(sampling::poisson, rate, sigma / shift,
                                                       std::array{static_cast<double>(order)})
                             .front();
        EXPECT_NEAR(std::log(there / mass) / (order - 1), d, 1e-9);
        EXPECT_LE(std::log(back / mass) / (order - 1), d);
    }
}

TEST(Renyi, RefusesWhatIsNoMechanism) {
    EXPECT_THROW(poisson(-0.1, 1, 2), input_error);
    EXPECT_THROW(poisson(1.1, 1, 2), input_error);
    EXPECT_THROW(poisson(0.1, -1, 2), input_error);
    EXPECT_THROW(poisson(0.1, std::nan(""), 2), input_error);
    EXPECT_THROW(poisson(0.1, 1, 1), input_error);
    EXPECT_THROW(poisson(0.1, 1, std::numeric_limits<double>::infinity()), input_error);
}
