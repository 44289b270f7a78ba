#include "base/error.hpp"
#include "base/random.hpp"
#include "sparse/ladder.hpp"
#include "sparse/magnitude.hpp"
#include "unit/sparse/layouts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace feddip;
using namespace feddip::sparse;

namespace {

const parameter_layout layout = test::lenet5_weights();

std::vector<float> drawn_weights() {
    std::vector<float> weights(layout.prunable_size());
    random_stream random(5, 0, 0, purpose::test);
    for (float& w : weights) {
        w = static_cast<float>(random.uniform_double() - 0.5);
    }
    for (std::size_t i = 0; i < 600; ++i) { // ties, among the smallest
        weights[150 + i] = 1e-6F;
    }
    return weights;
}

bool within(const mask& inner, const mask& outer) {
    for (std::size_t w = 0; w < inner.words().size(); ++w) {
        if ((inner.words()[w] & ~outer.words()[w]) != 0) {
            return false;
        }
    }
    return true;
}

const std::vector<float> weights = drawn_weights();
const mask half = prune_smallest(weights, 0.4);

} // namespace

TEST(ladder, gives_nested_parts_of_the_size_that_it_says) {
    const ladder ranked(layout, half, weights, 0.1);
    mask inner(half.size(), false);
    for (int level = 1; level <= rungs; level += 37) {
        const auto part = ranked.part({.level = level});
        EXPECT_EQ(part.count(), ranked.count({.level = level}));
        EXPECT_EQ(part.count(), half.count() * static_cast<std::size_t>(level) / rungs);
        EXPECT_TRUE(within(inner, part)) << level;
        inner = part;
    }
    EXPECT_EQ(ranked.part({.level = rungs}), half);
    EXPECT_EQ(ranked.part({}), mask(half.size(), true)); // unlimited
}

TEST(ladder, without_floors_keeps_the_largest_weights) {
    const mask all(layout.prunable_size(), true);
    const ladder ranked(layout, all, weights, 0);
    for (const int level : {10, 250, 999}) {
        auto expected = keep_largest(weights, ranked.count({.level = level}));
        auto part = ranked.part({.level = level});
        // Each tensor has one by right, which then replaces the smallest that would be there.
        EXPECT_LE(change(part, expected) * static_cast<double>(part.size()), 2.0 * 5) << level;
    }
}

TEST(ladder, lets_no_tensor_die_and_keeps_its_floor) {
    const mask all(layout.prunable_size(), true);
    const double floor = 0.25;
    const ladder ranked(layout, all, weights, floor);
    for (const int level : {1, 2, 10, 100, 500, 900}) {
        const auto part = ranked.part({.level = level});
        for (const auto& p : layout.weights()) {
            const auto least = std::floor(floor * level / rungs * static_cast<double>(p.size));
            EXPECT_GE(static_cast<double>(part.count(p.offset, p.size)), std::max(1.0, least))
                << p.name << " at level " << level;
        }
    }
    // By magnitude alone it would have none.
    EXPECT_EQ(keep_largest(weights, 1000).count(150, 600), 0U);
}

// Then floors are all that there is room for, and their rounding falls short.
TEST(ladder, lets_no_tensor_die_where_floors_ask_for_all) {
    for (const double sparsity : {0.0, 0.9}) {
        const auto kept = prune_smallest(weights, sparsity);
        const ladder ranked(layout, kept, weights, 1.0);
        const auto tensors = layout.weights().size();
        for (int level = ranked.level_of(tensors) + 1; level <= rungs; ++level) {
            const auto part = ranked.part({.level = level});
            for (const auto& p : layout.weights()) {
                const auto alive = kept.count(p.offset, p.size), held = part.count(p.offset, p.size);
                ASSERT_TRUE(held > 0 || alive == 0) << p.name << " at level " << level;
                ASSERT_GT(held + tensors, alive * static_cast<std::size_t>(level) / rungs) << p.name;
            }
        }
    }
}

TEST(ladder, turns_so_that_every_weight_of_the_mask_has_its_turn) {
    const ladder ranked(layout, half, weights, 0.1);
    for (const int level : {1, 2, 77, 300, 667, 999}) {
        const auto core = ranked.part({.level = (level + 1) / 2});
        mask seen(half.size(), false);
        const int turns = level == 1 ? 1 : 2 + rungs / (level / 2);
        for (int turn = 0; turn < turns; ++turn) {
            const ladder_part which{.level = level, .turn = turn};
            const auto part = ranked.part(which);
            EXPECT_EQ(part.count(), ranked.count(which));
            EXPECT_NEAR(static_cast<double>(part.count()),
                        static_cast<double>(ranked.count({.level = level})), 2.0);
            EXPECT_TRUE(within(core, part) && within(part, half)) << level << " " << turn;
            for (std::size_t w = 0; w < seen.words().size(); ++w) {
                seen.words()[w] |= part.words()[w];
            }
        }
        EXPECT_EQ(seen, level == 1 ? core : half) << level;
    }
    EXPECT_EQ(ranked.part({.level = 300, .turn = 0}), ranked.part({.level = 300}));
    EXPECT_EQ(ranked.part({.level = rungs, .turn = 5}), half);
}

TEST(ladder, finds_the_highest_level_of_so_many_weights) {
    const ladder ranked(layout, half, weights, 0.1);
    for (std::size_t most : {std::size_t{0}, std::size_t{1}, std::size_t{36}, std::size_t{37},
                             std::size_t{1000}, half.count() - 1}) {
        const int level = ranked.level_of(most);
        EXPECT_TRUE(level == 0 || ranked.count({.level = level}) <= most);
        EXPECT_GT(ranked.count({.level = level + 1}), most);
    }
    EXPECT_EQ(ranked.level_of(half.count()), rungs);
    EXPECT_EQ(ranked.level_of(half.size()), rungs);
    EXPECT_EQ(ranked.level_of(0), 0);
}

TEST(ladder, comes_back_from_its_rungs_and_from_nothing_else) {
    const ladder ranked(layout, half, weights, 0.1);
    std::vector<std::uint16_t> rungs_of(ranked.rung_of().begin(), ranked.rung_of().end());
    EXPECT_EQ(ladder(rungs_of).part({.level = 123}), ranked.part({.level = 123}));

    auto beyond = rungs_of;
    beyond[0] = rungs + 1;
    EXPECT_THROW(ladder{beyond}, error);
}

namespace {

// Whether a slice of `share` of the width has unit u of n, from unit `shift` on.
bool has(std::size_t u, std::size_t n, double share, std::size_t shift) {
    return static_cast<double>((u + n - shift % n) % n) < std::ceil(share * static_cast<double>(n));
}

} // namespace

// Counted by hand from the definition: of fc1, the 25 inputs of each channel of conv2 go together.
TEST(ladder, slices_layers_by_their_units) {
    const parameter_layout lenet5({{"conv1.weight", role::weight, {6, 1, 5, 5}, 0, 0, 25},
                                   {"conv1.bias", role::bias, {6}, 0, 0, 25},
                                   {"conv2.weight", role::weight, {16, 6, 5, 5}, 0, 0, 150},
                                   {"conv2.bias", role::bias, {16}, 0, 0, 150},
                                   {"fc1.weight", role::weight, {120, 400}, 0, 0, 400},
                                   {"fc1.bias", role::bias, {120}, 0, 0, 400},
                                   {"fc2.weight", role::weight, {10, 120}, 0, 0, 120},
                                   {"fc2.bias", role::bias, {10}, 0, 0, 120}});
    for (const std::size_t shift : {0, 1, 7, 131}) {
        const ladder slices(lenet5, width_slices{.shift = static_cast<int>(shift)});
        for (const int level : {1, 250, 333, 500, 999, 1000}) {
            const double share = level / 1000.0;
            const auto part = slices.part({.level = level});
            EXPECT_EQ(part.count(), slices.count({.level = level}));
            const auto held = [&](std::size_t tensor, std::size_t o, std::size_t i, std::size_t tap) {
                const auto& p = lenet5.weights()[tensor];
                const auto inputs = static_cast<std::size_t>(p.shape[1]);
                const auto taps = p.size / static_cast<std::size_t>(p.shape[0]) / inputs;
                return part[p.offset + (o * inputs + i) * taps + tap];
            };
            for (std::size_t o = 0; o < 16; ++o) {
                for (std::size_t i = 0; i < 6; ++i) {
                    EXPECT_EQ(held(1, o, i, 24), has(o, 16, share, shift) && has(i, 6, share, shift));
                }
                EXPECT_EQ(held(0, o % 6, 0, 3), has(o % 6, 6, share, shift)) << "all inputs of the first";
                EXPECT_EQ(held(2, 119, 25 * o + 24, 0),
                          has(119, 120, share, shift) && has(o, 16, share, shift));
            }
            for (std::size_t i = 0; i < 120; ++i) {
                EXPECT_EQ(held(3, 9, i, 0), has(i, 120, share, shift)) << "all outputs of the last";
            }
            const auto units = [&](double n) { return static_cast<std::size_t>(std::ceil(share * n)); };
            EXPECT_EQ(slices.count_tail({.level = level}, 152), units(6) + units(16) + units(120) + 10);
        }
        EXPECT_EQ(slices.part({.level = rungs}).count(), lenet5.prunable_size());
    }
}
