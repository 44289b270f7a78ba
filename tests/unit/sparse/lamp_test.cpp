#include "base/random.hpp"
#include "sparse/lamp.hpp"
#include "sparse/magnitude.hpp"
#include "unit/sparse/layouts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace feddip;
using namespace feddip::sparse;

namespace {

const parameter_layout layout = test::lenet5_weights();

// Of layers as different in scale as layers are, some weights pruned and some equal in magnitude.
std::vector<float> drawn_weights() {
    std::vector<float> weights(layout.prunable_size());
    random_stream random(3, 0, 0, purpose::test);
    float scale = 1;
    for (const auto& p : layout.weights()) {
        for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
            weights[i] = scale * static_cast<float>(random.normal());
            if (i % 7 == 0) {
                weights[i] = i % 2 == 0 ? 0 : -scale;
            }
        }
        scale /= 30;
    }
    return weights;
}

double by_definition(std::span<const float> tensor, std::size_t u) {
    double from_u_on = 0;
    for (std::size_t v = 0; v < tensor.size(); ++v) {
        const float a = std::fabs(tensor[v]), b = std::fabs(tensor[u]);
        from_u_on += a > b || (a == b && v >= u) ? double{a} * a : 0;
    }
    return from_u_on > 0 ? double{tensor[u]} * tensor[u] / from_u_on : 0;
}

} // namespace

TEST(lamp_scores, are_those_of_the_paper) {
    const auto weights = drawn_weights();
    const auto scores = lamp_scores(layout, weights);
    for (const auto& p : layout.weights()) {
        const auto tensor = std::span(weights).subspan(p.offset, p.size);
        for (std::size_t u = 0; u < p.size; u += 1 + p.size / 200) {
            const double expected = by_definition(tensor, u);
            ASSERT_NEAR(scores[p.offset + u], expected, 1e-6 * expected) << p.name << " " << u;
        }
        const auto of_tensor = std::span(scores).subspan(p.offset, p.size);
        EXPECT_EQ(std::ranges::max(of_tensor), 1.0F) << p.name;
        for (std::size_t u = 0; u < p.size; ++u) {
            ASSERT_EQ(of_tensor[u] == 0, tensor[u] == 0) << p.name << " " << u;
        }
    }
}

TEST(lamp_scores, leave_each_layer_its_largest_weights_whatever_its_scale) {
    auto weights = drawn_weights();
    const auto chosen = prune_smallest(lamp_scores(layout, weights), 0.98);
    EXPECT_EQ(prune_smallest(weights, 0.98).count(layout.weights()[4].offset, layout.weights()[4].size), 0U);
    std::vector<std::size_t> counts;
    for (const auto& p : layout.weights()) {
        counts.push_back(chosen.count(p.offset, p.size));
        EXPECT_GT(counts.back(), 0U) << p.name;
    }
    EXPECT_EQ(chosen, keep_largest_per_layer(layout, weights, counts));

    for (const auto& p : layout.weights()) { // scores don't see a layer's scale
        std::ranges::for_each(std::span(weights).subspan(p.offset, p.size), [](float& w) { w *= 8; });
        EXPECT_EQ(prune_smallest(lamp_scores(layout, weights), 0.98), chosen);
    }
}

TEST(lamp_scores, of_a_layer_that_is_pruned_whole_are_0) {
    std::vector<float> weights(layout.prunable_size());
    weights[3] = -2;
    const auto scores = lamp_scores(layout, weights);
    EXPECT_EQ(scores[3], 1.0F);
    EXPECT_EQ(std::ranges::count(scores, 0.0F), std::ssize(scores) - 1);
}
