#include "base/error.hpp"
#include "base/layout.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace feddip;

namespace {

parameter_layout conv_norm_linear() {
    return parameter_layout({{"conv.weight", role::weight, {2, 1, 3, 3}, 0, 0, 9},
                             {"bn.weight", role::norm_scale, {2}, 0, 0, 0},
                             {"bn.bias", role::norm_shift, {2}, 0, 0, 0},
                             {"bn.running_mean", role::running_mean, {2}, 0, 0, 0},
                             {"bn.running_var", role::running_variance, {2}, 0, 0, 0},
                             {"fc.weight", role::weight, {3, 4}, 0, 0, 4},
                             {"fc.bias", role::bias, {3}, 0, 0, 4}});
}

} // namespace

TEST(parameter_layout, puts_weights_first_and_running_statistics_last) {
    const auto layout = conv_norm_linear();

    EXPECT_EQ(layout.prunable_size(), 18U + 12U);
    EXPECT_EQ(layout.trainable_size(), 30U + 2 + 2 + 3);
    EXPECT_EQ(layout.size(), 37U + 4);
    EXPECT_EQ(layout.weights().size(), 2U);
    EXPECT_EQ(layout.named("fc.weight").offset, 18U);
    EXPECT_EQ(layout.named("bn.weight").offset, 30U);
    EXPECT_EQ(layout.named("fc.bias").offset, 34U);
    EXPECT_EQ(layout.named("bn.running_mean").offset, 37U);
}

TEST(parameter_layout, names_an_unknown_parameter_in_its_error) {
    try {
        conv_norm_linear().named("conv.wait");
        FAIL();
    } catch (const error& e) {
        EXPECT_NE(std::string(e.what()).find("conv.wait"), std::string::npos);
    }
}

TEST(initialize, follows_pytorch_and_the_seed) {
    const auto layout = conv_norm_linear();
    std::vector<float> state(layout.size(), -9.0F);
    std::vector<float> again(layout.size());
    std::vector<float> other(layout.size());

    initialize(layout, 1, state);
    initialize(layout, 1, again);
    initialize(layout, 2, other);

    EXPECT_EQ(state, again);
    EXPECT_NE(state, other);
    const auto& fc = layout.named("fc.weight");
    const auto largest = std::ranges::max(std::span(state).subspan(fc.offset, fc.size), {},
                                          [](float v) { return std::fabs(v); });
    EXPECT_LE(std::fabs(largest), 0.5F);
    EXPECT_GT(std::fabs(largest), 0.25F);
    EXPECT_EQ(state[layout.named("bn.weight").offset], 1.0F);
    EXPECT_EQ(state[layout.named("bn.bias").offset], 0.0F);
    EXPECT_EQ(state[layout.named("bn.running_mean").offset], 0.0F);
    EXPECT_EQ(state[layout.named("bn.running_var").offset], 1.0F);
}
