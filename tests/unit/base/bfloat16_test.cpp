#include "base/bfloat16.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using feddip::nearest_bfloat16;

TEST(bfloat16, keeps_what_has_eight_significant_bits) {
    for (const float v : {0.0F, -0.0F, 1.0F, -1.5F, 255.0F, 0x1.FEp-126F, 0x1p120F}) {
        EXPECT_EQ(nearest_bfloat16(v), v);
        EXPECT_EQ(std::signbit(nearest_bfloat16(v)), std::signbit(v));
    }
}

TEST(bfloat16, rounds_to_the_nearest_and_halfway_to_the_even_one) {
    EXPECT_EQ(nearest_bfloat16(256.9F), 256.0F);
    EXPECT_EQ(nearest_bfloat16(257.0F), 256.0F);
    EXPECT_EQ(nearest_bfloat16(257.1F), 258.0F);
    EXPECT_EQ(nearest_bfloat16(259.0F), 260.0F);
    EXPECT_EQ(nearest_bfloat16(-259.0F), -260.0F);
}

TEST(bfloat16, is_at_most_half_a_unit_away) {
    for (float v = 1e-20F; v < 1e20F; v *= 1.7F) {
        EXPECT_LE(std::abs(nearest_bfloat16(v) - v), v * 0x1p-8F) << v;
    }
}

TEST(bfloat16, of_a_finite_value_is_finite) {
    EXPECT_TRUE(std::isfinite(nearest_bfloat16(std::numeric_limits<float>::max())));
    EXPECT_TRUE(std::isfinite(nearest_bfloat16(std::numeric_limits<float>::lowest())));
    EXPECT_TRUE(std::isinf(nearest_bfloat16(std::numeric_limits<float>::infinity())));
    EXPECT_TRUE(std::isnan(nearest_bfloat16(std::numeric_limits<float>::quiet_NaN())));
}
