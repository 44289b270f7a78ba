#include "data/transform.hpp"
#include "unit/data/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>

namespace feddip::data {
namespace {

using config::dataset_name;

struct statistics {
    dataset_name name;
    std::array<double, 3> mean, deviation;
};

// The table of section 6 of the specification.
const std::vector<statistics> expected_statistics = {
    {dataset_name::fashion_mnist, {0, 0, 0}, {1, 1, 1}},
    {dataset_name::cifar_10, {0.49139968, 0.48215827, 0.44653124}, {0.24703233, 0.24348505, 0.26158768}},
    {dataset_name::cifar_100, {0.507, 0.487, 0.441}, {0.267, 0.256, 0.276}},
};

// A plain version: pad, crop, flip, then normalize, one pixel after the other.
double expected_pixel(const dataset_facts& facts, const test::bytes& image, std::array<int, 3> at, int top,
                      int left, bool flip) {
    const auto [c, y, x] = at;
    const auto [channels, height, width] = facts.shape;
    int from_y = y + top - 4;
    int from_x = (flip ? width - 1 - x : x) + left - 4;
    int byte = 0;
    const auto mirror = [](int i, int size) { return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i; };
    if (facts.name == dataset_name::cifar_100) {
        from_y = mirror(from_y, height);
        from_x = mirror(from_x, width);
    }
    if (from_y >= 0 && from_y < height && from_x >= 0 && from_x < width) {
        byte = image[static_cast<std::size_t>((c * height + from_y) * width + from_x)];
    }
    const auto& s = *std::ranges::find(expected_statistics, facts.name, &statistics::name);
    return (byte / 255.0 - s.mean[static_cast<std::size_t>(c)]) / s.deviation[static_cast<std::size_t>(c)];
}

void expect_crop(const dataset_facts& facts, const test::bytes& image, std::span<const float> seen, int top,
                 int left, bool flip) {
    std::size_t i = 0;
    for (int c = 0; c < facts.shape.channels; ++c) {
        for (int y = 0; y < facts.shape.height; ++y) {
            for (int x = 0; x < facts.shape.width; ++x, ++i) {
                ASSERT_NEAR(seen[i], expected_pixel(facts, image, {c, y, x}, top, left, flip), 1e-6)
                    << "channel " << c << " row " << y << " column " << x << " top " << top << " left "
                    << left << " flip " << flip;
            }
        }
    }
}

TEST(transform, normalizes_each_channel_as_the_specification_says) {
    for (const auto& s : expected_statistics) {
        const auto facts = facts_of(s.name);
        const test::bytes image = test::counting(facts.shape.size());
        std::vector<float> seen(image.size());

        transform(facts).normalize(image, seen);

        expect_crop(facts, image, seen, 4, 4, false);
    }
}

TEST(transform, crops_and_flips_at_every_place) {
    for (const auto name : {dataset_name::cifar_10, dataset_name::cifar_100}) {
        const auto facts = facts_of(name);
        const test::bytes image = test::counting(facts.shape.size());
        const transform t(facts);
        std::vector<float> seen(image.size());
        for (const int top : {0, 3, 4, 8}) {
            for (const int left : {0, 1, 4, 8}) {
                for (const bool flip : {false, true}) {
                    t.crop(image, top, left, flip, seen);

                    expect_crop(facts, image, seen, top, left, flip);
                }
            }
        }
    }
}

TEST(transform, leaves_fashion_mnist_unaugmented_and_the_stream_untouched) {
    const auto facts = facts_of(dataset_name::fashion_mnist);
    const test::bytes image = test::counting(facts.shape.size());
    std::vector<float> augmented(image.size()), plain(image.size());
    random_stream random(1, 2, 3, purpose::augmentation), untouched(1, 2, 3, purpose::augmentation);
    const transform t(facts);

    t.augment(image, random, augmented);
    t.normalize(image, plain);

    EXPECT_EQ(augmented, plain);
    EXPECT_EQ(random(), untouched());
}

TEST(transform, draws_every_crop_and_flip_about_equally_often) {
    const auto facts = facts_of(dataset_name::cifar_10);
    const transform t(facts);
    const test::bytes image = test::counting(facts.shape.size());
    std::map<std::vector<float>, std::tuple<int, int, bool>> crops;
    for (int top = 0; top <= 8; ++top) {
        for (int left = 0; left <= 8; ++left) {
            for (const bool flip : {false, true}) {
                std::vector<float> out(image.size());
                t.crop(image, top, left, flip, out);
                crops.emplace(std::move(out), std::tuple{top, left, flip});
            }
        }
    }
    ASSERT_EQ(crops.size(), 9U * 9 * 2);
    random_stream random(1, 0, 0, purpose::augmentation);
    std::vector<float> drawn(image.size());
    std::map<std::tuple<int, int, bool>, int> seen;

    constexpr int draws = 162 * 40;
    for (int i = 0; i < draws; ++i) {
        t.augment(image, random, drawn);
        const auto crop = crops.find(drawn);
        ASSERT_NE(crop, crops.end()) << "draw " << i << " is no crop of the padded image";
        ++seen[crop->second];
    }

    // Chi-squared with 161 degrees of freedom: mean 161, standard deviation 18.
    double chi_squared = 0;
    for (const auto& [out, place] : crops) {
        chi_squared += std::pow(seen[place] - 40, 2) / 40.0;
    }
    EXPECT_LT(chi_squared, 161 + 5 * 18);
}

} // namespace
} // namespace feddip::data
