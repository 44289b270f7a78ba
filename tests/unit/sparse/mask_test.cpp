#include "base/random.hpp"
#include "sparse/mask.hpp"
#include "unit/sparse/layouts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

using namespace feddip;
using sparse::mask;

namespace {

mask random_bits(std::size_t size, double density, std::uint32_t which) {
    random_stream random(7, which, 0, purpose::test);
    mask m(size, false);
    for (std::size_t i = 0; i < size; ++i) {
        m.set(i, random.uniform_double() < density);
    }
    return m;
}

class mask_of_size : public testing::TestWithParam<std::size_t> {};

} // namespace

TEST_P(mask_of_size, all_alive_and_all_pruned_count_to_size_and_zero) {
    EXPECT_EQ(mask(GetParam(), true).count(), GetParam());
    EXPECT_EQ(mask(GetParam(), false).count(), 0U);
}

TEST_P(mask_of_size, counts_within_any_range_equal_a_plain_count) {
    const mask m = random_bits(GetParam(), 0.3, 1);
    for (std::size_t first = 0; first <= m.size(); first += 13) {
        for (std::size_t length = 0; first + length <= m.size(); length += 29) {
            std::size_t expected = 0;
            for (std::size_t i = first; i < first + length; ++i) {
                expected += m[i] ? 1 : 0;
            }
            ASSERT_EQ(m.count(first, length), expected) << first << ' ' << length;
        }
    }
}

TEST_P(mask_of_size, unpacking_what_was_packed_gives_the_masked_values) {
    const mask m = random_bits(GetParam(), 0.4, 2);
    std::vector<float> values(m.size());
    std::iota(values.begin(), values.end(), 1.0F);
    std::vector<float> packed(m.count());
    std::vector<float> unpacked(m.size(), -1.0F);
    std::vector<float> masked = values;

    sparse::pack(m, values, packed);
    sparse::unpack(m, packed, unpacked);
    sparse::apply(m, masked);

    EXPECT_EQ(unpacked, masked);
    for (std::size_t i = 0; i < m.size(); ++i) {
        ASSERT_EQ(masked[i], m[i] ? values[i] : 0.0F);
    }
}

INSTANTIATE_TEST_SUITE_P(around_word_boundaries, mask_of_size, testing::Values(0, 1, 63, 64, 65, 128, 517));

TEST(mask, applying_it_removes_even_nan_and_negative_zero) {
    mask m(2, false);
    std::vector<float> values{std::numeric_limits<float>::quiet_NaN(), -0.0F};

    sparse::apply(m, values);

    EXPECT_EQ(std::bit_cast<std::uint32_t>(values[0]), 0U);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(values[1]), 0U);
}

TEST(mask, change_is_the_share_of_differing_positions) {
    mask a(10, false);
    mask b(10, false);
    a.set(1, true);
    a.set(2, true);
    b.set(2, true);
    b.set(9, true);

    EXPECT_DOUBLE_EQ(sparse::change(a, b), 0.2);
    EXPECT_DOUBLE_EQ(sparse::change(a, a), 0.0);
}

TEST(mask, jaccard_distance_is_what_two_do_not_share_of_what_either_has) {
    mask a(130, false);
    mask b(130, false);
    EXPECT_EQ(sparse::jaccard_distance(a, b), 0);
    for (const std::size_t i : {0U, 64U, 129U}) {
        a.set(i, true);
    }
    b.set(129, true);
    b.set(7, true);

    EXPECT_DOUBLE_EQ(sparse::jaccard_distance(a, b), 0.75);
    EXPECT_DOUBLE_EQ(sparse::jaccard_distance(b, a), 0.75);
    EXPECT_DOUBLE_EQ(sparse::jaccard_distance(a, a), 0);

    sparse::unite(a, b);
    EXPECT_EQ(b.count(), 4U);
    EXPECT_TRUE(b[0] && b[7] && b[64] && b[129]);
}

TEST(mask, layer_densities_look_at_each_tensor_alone) {
    const auto layout = test::lenet5_weights();
    mask m(layout.prunable_size(), false);
    const auto& conv2 = layout.named("conv2.weight");
    for (std::size_t i = 0; i < conv2.size / 4; ++i) {
        m.set(conv2.offset + i, true);
    }

    EXPECT_THAT(sparse::layer_densities(m, layout), testing::ElementsAre(0, 0.25, 0, 0, 0));
}
