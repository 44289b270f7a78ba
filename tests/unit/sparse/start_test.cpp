#include "sparse/start.hpp"
#include "unit/sparse/layouts.hpp"

#include <gtest/gtest.h>

#include <cmath>

using namespace feddip;

namespace {

double total_density(const parameter_layout& layout, const std::vector<double>& densities) {
    double alive = 0;
    for (std::size_t l = 0; l < densities.size(); ++l) {
        alive += densities[l] * static_cast<double>(layout.weights()[l].size);
    }
    return alive / static_cast<double>(layout.prunable_size());
}

} // namespace

TEST(erk, gives_the_whole_network_the_density_asked_for) {
    const auto layout = test::lenet5_weights();
    for (const double sparsity : {0.0, 0.5, 0.8, 0.9, 0.95, 0.99}) {
        const auto densities = sparse::erk_densities(layout, sparsity);
        EXPECT_NEAR(total_density(layout, densities), 1.0 - sparsity, 1e-12) << sparsity;
        for (const double d : densities) {
            EXPECT_LE(d, 1.0);
            EXPECT_GT(d, 0.0);
        }
    }
}

TEST(erk, shares_one_epsilon_among_the_layers_that_are_not_dense) {
    const auto layout = test::lenet5_weights();

    const auto densities = sparse::erk_densities(layout, 0.8);

    EXPECT_EQ(densities[0], 1.0); // conv1 has (6 + 1 + 5 + 5) / 150 per weight, ten times fc1's
    const double epsilon = densities[2] / (520.0 / 48000.0);
    EXPECT_NEAR(densities[1], epsilon * 32.0 / 2400.0, 1e-12);
    EXPECT_NEAR(densities[3], epsilon * 204.0 / 10080.0, 1e-12);
}

TEST(erk, at_sparsity_zero_is_all_dense) {
    for (const double d : sparse::erk_densities(test::lenet5_weights(), 0.0)) {
        EXPECT_NEAR(d, 1.0, 1e-12);
    }
}

TEST(random_mask, has_exactly_the_rounded_count_in_each_tensor_and_depends_on_the_stream) {
    const auto layout = test::lenet5_weights();
    const auto densities = sparse::erk_densities(layout, 0.8);
    random_stream first(1, 0, 0, purpose::start_mask);
    random_stream again(1, 0, 0, purpose::start_mask);
    random_stream other(1, 0, 1, purpose::start_mask);

    const auto m = sparse::random_mask(layout, densities, first);

    for (std::size_t l = 0; l < densities.size(); ++l) {
        const auto& p = layout.weights()[l];
        EXPECT_EQ(m.count(p.offset, p.size),
                  static_cast<std::size_t>(std::llround(densities[l] * static_cast<double>(p.size))))
            << p.name;
    }
    EXPECT_EQ(m, sparse::random_mask(layout, densities, again));
    EXPECT_NE(m, sparse::random_mask(layout, densities, other));
}

TEST(random_mask, is_uniform_over_the_positions_of_a_tensor) {
    const parameter_layout layout({{"w", role::weight, {4, 5}, 0, 0, 5}});
    std::vector<int> hits(20);
    constexpr int draws = 4000;
    for (std::uint32_t i = 0; i < draws; ++i) {
        random_stream random(3, i, 0, purpose::start_mask);
        sparse::random_mask(layout, {0.25}, random).for_each_alive([&](std::size_t at) { ++hits[at]; });
    }
    // Binomial(4000, 1/4): 1000 +- 27; five standard deviations.
    for (const int count : hits) {
        EXPECT_NEAR(count, 1000, 137);
    }
}

TEST(scale_to_density, gives_each_pruned_layer_the_norm_that_it_had) {
    const auto layout = test::lenet5_weights();
    random_stream random(1, 0, 0, purpose::start_mask);
    const auto m = sparse::random_mask(layout, {1.0, 0.25, 0.02, 0.5, 0.0}, random);
    std::vector<float> weights(layout.prunable_size(), -0.5F);
    sparse::apply(m, weights);

    sparse::scale_to_density(layout, m, weights);

    const float expected[] = {-0.5F, -1.0F, -0.5F / std::sqrt(0.02F), -0.5F / std::sqrt(0.5F), 0.0F};
    for (std::size_t l = 0; l < 5; ++l) {
        const auto& p = layout.weights()[l];
        for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
            ASSERT_FLOAT_EQ(weights[i], m[i] ? expected[l] : 0.0F) << p.name;
        }
    }
}
