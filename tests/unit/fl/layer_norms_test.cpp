#include "fl/layer_norms.hpp"
#include "unit/fl/masks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

using namespace feddip;
using testing::DoubleEq;
using testing::ElementsAre;

namespace {

const parameter_layout two_layers({{"a.weight", role::weight, {2, 1}, 0, 0, 1},
                                   {"a.bias", role::bias, {1}, 0, 0, 1},
                                   {"b.weight", role::weight, {3, 1}, 0, 0, 1}});

} // namespace

// a is [3, -4] alive and dead, b dead but for its last weight; the bias lies behind them all.
TEST(layer_norms, are_those_of_each_layer_and_of_what_is_alive_in_it) {
    const auto mask = test::mask_of({1, 0, 0, 0, 1});
    const std::vector<float> weights{3, 0, 0, 0, -2, 100};
    const std::vector<float> gradient{3, -4, 1, -2, 2, 100};

    const auto norms = fl::measure_layer_norms(two_layers, mask, weights, gradient);

    EXPECT_THAT(norms.weights, ElementsAre(DoubleEq(3), DoubleEq(2)));
    EXPECT_THAT(norms.gradients, ElementsAre(DoubleEq(5), DoubleEq(3)));
    EXPECT_THAT(norms.alive_gradients, ElementsAre(DoubleEq(3), DoubleEq(2)));
}

TEST(layer_norms, of_a_layer_without_alive_weights_are_0) {
    const auto norms =
        fl::measure_layer_norms(two_layers, {5, false}, std::vector<float>(6), std::vector<float>(6, 1));

    EXPECT_THAT(norms.weights, ElementsAre(0, 0));
    EXPECT_THAT(norms.alive_gradients, ElementsAre(0, 0));
    EXPECT_GT(norms.gradients[1], norms.gradients[0]);
}
