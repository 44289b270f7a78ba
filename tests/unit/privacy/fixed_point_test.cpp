#include "base/error.hpp"
#include "base/random.hpp"
#include "privacy/fixed_point.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace feddip;
using namespace feddip::privacy;

template <typename Word>
class FixedPoint : public testing::Test {
protected:
    static Word word(const fixed_point<Word>& format, float value) {
        Word w;
        format.encode(std::span(&value, 1), std::span(&w, 1));
        return w;
    }
    static double value(const fixed_point<Word>& format, Word w) {
        double v;
        format.decode(std::span<const Word>(&w, 1), std::span(&v, 1));
        return v;
    }
};
using words = testing::Types<std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(FixedPoint, words);

TYPED_TEST(FixedPoint, RoundsToTheNearestStep) {
    const fixed_point<TypeParam> format(2, 10, 1);
    EXPECT_EQ(format.step(), 0.25);
    EXPECT_EQ(this->word(format, 1.0F), 4U);
    EXPECT_EQ(this->word(format, 1.1F), 4U);
    EXPECT_EQ(this->word(format, 0.125F), 0U) << "ties go to even";
    EXPECT_EQ(this->word(format, 0.375F), 2U);
    EXPECT_EQ(this->word(format, -0.25F), std::numeric_limits<TypeParam>::max());
    EXPECT_EQ(this->value(format, std::numeric_limits<TypeParam>::max()), -0.25);
}

TYPED_TEST(FixedPoint, ClipsAndSaysHowOften) {
    const fixed_point<TypeParam> format(4, 1.5, 2);
    const std::vector<float> values{1.5F, 2, -7, std::numeric_limits<float>::infinity(), 0};
    std::vector<TypeParam> encoded(values.size());
    EXPECT_EQ(format.encode(values, encoded), 3U);
    std::vector<double> decoded(values.size());
    format.decode(encoded, decoded);
    EXPECT_EQ(decoded, (std::vector<double>{1.5, 1.5, -1.5, 1.5, 0}));
}

TYPED_TEST(FixedPoint, SumsOfAllClientsCanBeReadBack) {
    constexpr std::uint32_t clients = 37;
    const auto format = fixed_point<TypeParam>::finest(0.8, clients, 0.01);
    random_stream random(1, 0, 0, purpose::test);
    constexpr std::size_t n = 300;
    std::vector<TypeParam> sum(n), encoded(n);
    std::vector<double> exact(n), decoded(n);
    for (std::uint32_t client = 0; client < clients; ++client) {
        std::vector<float> values(n);
        for (std::size_t i = 0; i < n; ++i) {
            values[i] = i == 0 ? 0.8F : i == 1 ? -0.8F : 1.6F * random.uniform() - 0.8F;
            exact[i] += values[i];
        }
        format.encode(values, encoded);
        for (std::size_t i = 0; i < n; ++i) {
            sum[i] += encoded[i];
        }
    }
    format.decode(sum, decoded);
    for (std::size_t i = 0; i < n; ++i) {
        // Past half a step each, the limit 0.8 is not quite the float 0.8.
        ASSERT_NEAR(decoded[i], exact[i], clients * (format.step() / 2 + 2e-8)) << i;
    }
}

TYPED_TEST(FixedPoint, RefusesWhatCouldOverflow) {
    constexpr int bits = std::numeric_limits<TypeParam>::digits;
    const auto finest = fixed_point<TypeParam>::finest(1, 100);
    EXPECT_NO_THROW(fixed_point<TypeParam>(finest.fraction_bits(), 1, 100));
    EXPECT_THROW(fixed_point<TypeParam>(finest.fraction_bits() + 1, 1, 100), input_error);
    EXPECT_EQ(finest.fraction_bits(), bits - 1 - 7) << "100 clients need 7 bits";
    EXPECT_LT(fixed_point<TypeParam>::finest(1, 100, 1000).fraction_bits(), finest.fraction_bits());
    for (const double limit : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
        EXPECT_THROW(fixed_point<TypeParam>(3, limit, 1), input_error) << limit;
        EXPECT_THROW(fixed_point<TypeParam>::finest(limit, 1), input_error) << limit;
    }
    EXPECT_THROW(fixed_point<TypeParam>(3, 1, 0), input_error);
    EXPECT_THROW(fixed_point<TypeParam>(63, 1e-9, 1), input_error);
    EXPECT_THROW(fixed_point<TypeParam>(3, 1, 1, -1), input_error);
}

TYPED_TEST(FixedPoint, RefusesSumsThatCannotBe) {
    const fixed_point<TypeParam> format(4, 1, 3);
    EXPECT_EQ(this->value(format, 48), 3);
    EXPECT_THROW(this->value(format, 49), error);
    EXPECT_THROW(this->value(format, static_cast<TypeParam>(-49)), error);
    EXPECT_THROW(this->word(format, std::nanf("")), error);
}

TYPED_TEST(FixedPoint, RoundingLengthensAnUpdateByNoMoreThanItSays) {
    const fixed_point<TypeParam> format(3, 10, 1);
    const std::vector<float> worst(9, 1.0F + 0.0626F); // half a step from the grid, and rounded away from 0
    std::vector<TypeParam> encoded(9);
    format.encode(worst, encoded);
    const double encoded_norm = 3.0 * static_cast<double>(encoded[0]),
                 norm = 3.0 * static_cast<double>(worst[0]);
    EXPECT_EQ(encoded[0], 9U);
    EXPECT_LE(encoded_norm, format.longest(norm, 9));
    EXPECT_GE(encoded_norm, format.longest(norm, 9) - 0.01);
}
