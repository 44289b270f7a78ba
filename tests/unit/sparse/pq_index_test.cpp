#include "sparse/pq_index.hpp"
#include "unit/fl/masks.hpp"

#include <gtest/gtest.h>

#include <vector>

using namespace feddip;
using namespace feddip::sparse;

TEST(pq_index, is_what_one_works_out_by_hand) {
    // (1 + 2 + 3)^2 / (3 (1 + 4 + 9)) = 36/42
    EXPECT_DOUBLE_EQ(pq_index(std::vector<float>{1, -4, 9}), 1 - 36.0 / 42);
    EXPECT_DOUBLE_EQ(pq_index(std::vector<float>{0, 0, 0, 25}), 0.75);
    EXPECT_DOUBLE_EQ(pq_index(std::vector<float>{-2.25F, 2.25F, 2.25F}), 0);
    EXPECT_EQ(pq_index(std::vector<float>{0, 0}), 0);
    EXPECT_EQ(pq_index({}), 0);
}

TEST(pq_index, keeps_as_many_values_as_equal_ones_would_have_to_be_there) {
    EXPECT_EQ(kept_by_pq_index(std::vector<float>{1, -4, 9}), 3U);    // ceil(36/14)
    EXPECT_EQ(kept_by_pq_index(std::vector<float>{0, 16, 0, 1}), 2U); // ceil(25/17)
    EXPECT_EQ(kept_by_pq_index(std::vector<float>{0, 0, 0, 25}), 1U);
    EXPECT_EQ(kept_by_pq_index(std::vector<float>(7, 0.1F)), 7U);
    EXPECT_EQ(kept_by_pq_index(std::vector<float>(7, 0.0F)), 7U);
    EXPECT_EQ(kept_by_pq_index({}), 0U);
}

TEST(pq_index, keeps_a_tenth_however_few_values_matter) {
    std::vector<float> values(40, 0);
    values[3] = 1;
    EXPECT_EQ(kept_by_pq_index(values), 4U);
}

TEST(pq_index, prunes_each_tensor_by_itself_and_only_what_was_alive) {
    const parameter_layout layout({{"a.weight", role::weight, {4, 1}, 0, 0, 1},
                                   {"b.weight", role::weight, {3, 1}, 0, 0, 1},
                                   {"a.bias", role::bias, {4}, 0, 0, 1}});
    const std::vector<float> values{1, 16, 99, 0, /*b*/ 5, 5, 5};
    const auto pruned = prune_by_pq_index(layout, values, test::mask_of({1, 1, 0, 1, /*b*/ 1, 1, 0}));
    EXPECT_EQ(pruned, test::mask_of({1, 1, 0, 0, /*b*/ 1, 1, 0})); // of a ceil(25/17)
}
