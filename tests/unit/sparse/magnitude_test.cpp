#include "base/random.hpp"
#include "sparse/magnitude.hpp"
#include "unit/sparse/layouts.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

using namespace feddip;

namespace {

std::vector<float> normal_values(std::size_t size, std::uint32_t which) {
    random_stream random(11, which, 0, purpose::test);
    std::vector<float> values(size);
    for (auto& v : values) {
        v = static_cast<float>(random.normal());
    }
    return values;
}

} // namespace

TEST(prune_smallest, keeps_the_largest_magnitudes_of_a_small_example) {
    const std::vector<float> values{0.5F, -3.0F, 0.1F, 2.0F, -0.2F};

    const auto m = sparse::prune_smallest(values, 0.6);

    EXPECT_FALSE(m[0]);
    EXPECT_TRUE(m[1]);
    EXPECT_FALSE(m[2]);
    EXPECT_TRUE(m[3]);
    EXPECT_FALSE(m[4]);
}

TEST(prune_smallest, equals_the_sorting_reference_at_every_sparsity) {
    for (const std::size_t size : {1, 2, 64, 65, 1000, 4097}) {
        const auto values = normal_values(size, static_cast<std::uint32_t>(size));
        for (const double s : {0.0, 0.001, 0.3, 0.5, 0.9, 0.999, 1.0}) {
            ASSERT_EQ(sparse::prune_smallest(values, s), sparse::prune_smallest_reference(values, s))
                << size << ' ' << s;
        }
    }
}

TEST(prune_smallest, prunes_exactly_the_count_asked_for_and_the_lower_position_first_among_equals) {
    std::vector<float> values(100, 0.0F); // as after masking: most weights are 0
    values[3] = 1.0F;
    values[50] = -1.0F;
    values[70] = 1.0F;

    const auto m = sparse::prune_smallest(values, 0.98);

    EXPECT_EQ(m.count(), 2U);
    EXPECT_FALSE(m[3]);
    EXPECT_TRUE(m[50]);
    EXPECT_TRUE(m[70]);
    EXPECT_EQ(m, sparse::prune_smallest_reference(values, 0.98));
}

TEST(prune_smallest, ranks_denormals_and_neighbouring_floats_rightly) {
    std::vector<float> values;
    for (float v = 1.0F; values.size() < 200; v = std::nextafter(v, 2.0F)) {
        values.push_back(values.size() % 2 == 0 ? v : -v);
    }
    for (float v = 0.0F; values.size() < 400; v = std::nextafter(v, 1.0F)) {
        values.push_back(v);
    }
    for (const double s : {0.1, 0.49, 0.5, 0.7525}) {
        EXPECT_EQ(sparse::prune_smallest(values, s), sparse::prune_smallest_reference(values, s)) << s;
    }
}

namespace {

const parameter_layout two_layers({{"a.weight", role::weight, {4, 1}, 0, 0, 1},
                                   {"b.weight", role::weight, {6, 1}, 0, 0, 1}});

sparse::mask alive_at(std::initializer_list<std::size_t> positions) {
    sparse::mask m(10, false);
    for (const auto i : positions) {
        m.set(i, true);
    }
    return m;
}

} // namespace

// Of a's three the one of 0.1 goes, of b's four those of 0 and 2; pruned ones stay so, however large.
TEST(drop_smallest_per_layer, drops_a_share_of_the_alive_weights_of_each) {
    const std::vector<float> values{-3, 0.1F, 9, 5, 0, -6, 2, 9, 4, 9};

    EXPECT_EQ(sparse::drop_smallest_per_layer(two_layers, values, alive_at({0, 1, 3, 4, 5, 6, 8}), 0.5),
              alive_at({0, 3, 5, 8}));
}

TEST(drop_smallest_per_layer, rounds_down_what_it_drops) {
    const std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

    EXPECT_EQ(sparse::drop_smallest_per_layer(two_layers, values, sparse::mask(10, true), 0.3),
              alive_at({1, 2, 3, 5, 6, 7, 8, 9}));
}

namespace {

std::vector<std::size_t> alive_in(const sparse::mask& m) {
    std::vector<std::size_t> alive;
    m.for_each_alive([&](std::size_t i) { alive.push_back(i); });
    return alive;
}

} // namespace

TEST(regrow_largest, takes_the_largest_of_those_that_were_not_alive_in_place_of_the_smallest_that_were) {
    const std::vector<float> values{5, 0.1F, -4, 0.2F, 3, -0.3F, 2};
    sparse::mask alive(7, false);
    for (const std::size_t i : {0U, 2U, 4U, 6U}) {
        alive.set(i, true);
    }
    using positions = std::vector<std::size_t>;
    EXPECT_EQ(alive_in(sparse::regrow_largest(values, alive, 4, 0)), (positions{0, 2, 4, 6}));
    EXPECT_EQ(alive_in(sparse::regrow_largest(values, alive, 4, 1)), (positions{0, 2, 4, 5}));
    EXPECT_EQ(alive_in(sparse::regrow_largest(values, alive, 4, 2)), (positions{0, 2, 3, 5}));
    EXPECT_EQ(alive_in(sparse::regrow_largest(values, alive, 3, 1)), (positions{0, 2, 5}));
    EXPECT_EQ(alive_in(sparse::regrow_largest(values, alive, 6, 1)), (positions{0, 2, 3, 4, 5, 6}))
        << "too few old ones";
    EXPECT_EQ(alive_in(sparse::regrow_largest(values, alive, 2, 9)), (positions{3, 5}));
    EXPECT_EQ(alive_in(sparse::regrow_largest(values, {7, true}, 3, 2)), (positions{0, 2, 4}));
}

// The four largest are all b's; with a floor of 1/4 a keeps its largest one, and with 1/2 two.
TEST(prune_smallest_above_floor, leaves_each_layer_its_floor) {
    const std::vector<float> values{1, -2, 0.5F, 0, 5, 6, 7, 8, 3, 4};

    EXPECT_EQ(sparse::prune_smallest_above_floor(two_layers, values, 0.6, 0.0), alive_at({4, 5, 6, 7}));
    EXPECT_EQ(sparse::prune_smallest_above_floor(two_layers, values, 0.6, 0.25), alive_at({1, 5, 6, 7}));
    EXPECT_EQ(sparse::prune_smallest_above_floor(two_layers, values, 0.5, 0.5), alive_at({0, 1, 5, 6, 7}));
}

TEST(prune_smallest_above_floor, brings_no_pruned_weight_back_for_it) {
    const std::vector<float> nested{0, 0, 1, 0, 5, 6, 7, 8, 0, 0};
    EXPECT_EQ(sparse::prune_smallest_above_floor(two_layers, nested, 0.5, 0.5), alive_at({2, 4, 5, 6, 7}));
}

TEST(prune_smallest_above_floor, reaches_the_sparsity_exactly_and_each_floor_at_every_one) {
    const auto layout = test::lenet5_weights();
    auto values = normal_values(layout.prunable_size(), 5);
    for (std::size_t i = 0; i < 150; ++i) {
        values[i] *= 1e-3F;
    }
    for (const double s : {0.0, 0.5, 0.9, 0.98, 0.99}) {
        for (const double share : {0.1, 0.5, 1.0}) {
            const double least = share * (1 - s);
            const auto m = sparse::prune_smallest_above_floor(layout, values, s, least);
            ASSERT_EQ(m.count(), sparse::prune_smallest(values, s).count());
            for (const auto& p : layout.weights()) {
                ASSERT_GE(m.count(p.offset, p.size),
                          static_cast<std::size_t>(least * static_cast<double>(p.size)));
            }
        }
        ASSERT_EQ(sparse::prune_smallest_above_floor(layout, values, s, 0),
                  sparse::prune_smallest(values, s));
    }
}
