#include "data/corruption.hpp"
#include "unit/data/plain_corruption.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace feddip::data {
namespace {

using config::drift_kind;
using testing::ElementsAre;

random_stream dice(std::uint32_t which = 0) {
    return {7, 0, which, purpose::test};
}

dataset_facts facts_of_images(image_shape shape, pixel_kind pixels = pixel_kind::bytes) {
    return {.name = config::dataset_name::file,
            .shape = shape,
            .classes = 2,
            .train_size = 1,
            .test_size = 1,
            .pixels = pixels};
}

std::vector<std::uint8_t> corrupted(image_shape shape, std::vector<std::uint8_t> image, drift_kind kind,
                                    double strength) {
    auto random = dice();
    corruption(facts_of_images(shape), kind, strength).apply(image, random);
    return image;
}

TEST(rotation, by_a_quarter_turns_the_picture_counter_clockwise) {
    const std::vector<std::uint8_t> image{1, 2, 3, //
                                          4, 5, 6, //
                                          7, 8, 9};
    EXPECT_THAT(corrupted({1, 3, 3}, image, drift_kind::rotation, 90),
                ElementsAre(3, 6, 9, 2, 5, 8, 1, 4, 7));
    EXPECT_THAT(corrupted({1, 3, 3}, image, drift_kind::rotation, 180),
                ElementsAre(9, 8, 7, 6, 5, 4, 3, 2, 1));
    EXPECT_THAT(corrupted({1, 3, 3}, image, drift_kind::rotation, 360), testing::ElementsAreArray(image));
}

TEST(rotation, of_a_wide_image_is_black_beyond_its_border) {
    EXPECT_THAT(corrupted({1, 1, 3}, {1, 2, 3}, drift_kind::rotation, 90), ElementsAre(0, 2, 0));
}

TEST(contrast, brings_values_nearer_to_the_mean_of_their_channel) {
    EXPECT_THAT(corrupted({2, 1, 2}, {0, 100, 200, 100}, drift_kind::contrast, 0.5),
                ElementsAre(25, 75, 175, 125));
    EXPECT_THAT(corrupted({2, 1, 2}, {0, 100, 200, 100}, drift_kind::contrast, 1),
                ElementsAre(50, 50, 150, 150));
}

TEST(blur, leaves_an_even_image_alone_and_spreads_a_dot_as_a_gaussian) {
    EXPECT_THAT(corrupted({1, 2, 2}, {9, 9, 9, 9}, drift_kind::blur, 2), ElementsAre(9, 9, 9, 9));
    EXPECT_THAT(corrupted({1, 2, 2}, {1, 2, 3, 4}, drift_kind::blur, 1e-170), ElementsAre(1, 2, 3, 4));
    std::vector<std::uint8_t> dot(9);
    dot[4] = 250;
    // exp(-2) = 0.1353 beside 1, cut off after two pixels (0.0003): 0.7870 and 0.1065 of it.
    EXPECT_THAT(corrupted({1, 1, 9}, dot, drift_kind::blur, 0.5), ElementsAre(0, 0, 0, 27, 197, 27, 0, 0, 0));
}

TEST(noise, has_its_deviation_and_no_mean_and_stays_within_bytes) {
    const image_shape shape{1, 100, 100};
    const auto noisy = corrupted(shape, std::vector<std::uint8_t>(shape.size(), 128), drift_kind::noise, 0.1);
    double sum = 0;
    double squares = 0;
    for (const auto v : noisy) {
        sum += v - 128.0;
        squares += (v - 128.0) * (v - 128.0);
    }
    const auto n = static_cast<double>(noisy.size());
    EXPECT_NEAR(sum / n, 0, 4 * 25.5 / std::sqrt(n));
    EXPECT_NEAR(std::sqrt(squares / n), 25.5, 4 * 25.5 / std::sqrt(2 * n));

    const auto dark = corrupted(shape, std::vector<std::uint8_t>(shape.size(), 0), drift_kind::noise, 0.1);
    EXPECT_NEAR(static_cast<double>(std::ranges::count(dark, 0)) / n, 0.5, 0.03);
}

TEST(noise, of_another_draw_is_another) {
    const image_shape shape{1, 8, 8};
    std::vector<std::uint8_t> a(64, 128);
    auto b = a;
    corruption change(facts_of_images(shape), drift_kind::noise, 0.1);
    auto first = dice(0);
    auto second = dice(1);
    change.apply(a, first);
    change.apply(b, second);
    EXPECT_NE(a, b);
}

struct shift {
    drift_kind kind;
    double strength;
};

class against_the_plain_one : public testing::TestWithParam<shift> {};

TEST_P(against_the_plain_one, bytes_and_floats_agree_on_random_images) {
    const auto [kind, strength] = GetParam();
    for (const image_shape shape : {image_shape{1, 28, 28}, image_shape{3, 7, 12}}) {
        auto random = dice(5);
        std::vector<std::uint8_t> bytes(shape.size());
        std::vector<float> floats(shape.size());
        std::vector<double> values(shape.size());
        for (std::size_t i = 0; i < shape.size(); ++i) {
            bytes[i] = static_cast<std::uint8_t>(random.below(256));
            values[i] = bytes[i];
            floats[i] = bytes[i];
        }
        const test::plain_corruption plain(shape, values);
        const auto expected = kind == drift_kind::rotation   ? plain.rotated(strength)
                              : kind == drift_kind::contrast ? plain.flattened(strength)
                                                             : plain.blurred(strength);

        const auto from_bytes = corrupted(shape, bytes, kind, strength);
        std::vector<std::uint8_t> stored(shape.size() * sizeof(float));
        std::memcpy(stored.data(), floats.data(), stored.size());
        corruption(facts_of_images(shape, pixel_kind::floats), kind, strength).apply(stored, random);
        std::memcpy(floats.data(), stored.data(), stored.size());

        for (std::size_t i = 0; i < shape.size(); ++i) {
            EXPECT_NEAR(from_bytes[i], expected[i], 0.501) << i;
            EXPECT_NEAR(floats[i], expected[i], 1e-3) << i;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(kinds, against_the_plain_one,
                         testing::Values(shift{drift_kind::rotation, 17}, shift{drift_kind::rotation, 90},
                                         shift{drift_kind::rotation, 222.5}, shift{drift_kind::contrast, 0.3},
                                         shift{drift_kind::blur, 0.4}, shift{drift_kind::blur, 1.7}));

} // namespace
} // namespace feddip::data
