#include "sparse/kernels/group_norm.hpp"
#include "sparse/kernels/reference.hpp"
#include "unit/sparse_kernels/blocked.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>

namespace feddip::sparse::kernels {
namespace {

using namespace feddip::test;

constexpr double tolerance = 1e-5;

class block_layers : public testing::TestWithParam<std::tuple<instruction_set, int>> {
protected:
    execution how() const { return {std::get<0>(GetParam()), std::get<1>(GetParam())}; }
};

INSTANTIATE_TEST_SUITE_P(instruction_sets, block_layers,
                         testing::Combine(testing::ValuesIn(available_instruction_sets()),
                                          testing::Values(1, 2)));

TEST_P(block_layers, reorder_samples_into_blocks_and_back) {
    for (const auto& [samples, size] : {std::pair{1, 5}, {16, 16}, {19, 37}, {40, 784}}) {
        const std::vector<float> plain = random_floats(std::size_t(samples) * size, 1);
        const aligned_floats expected = blocked(plain, samples, 0.0F);
        aligned_floats actual(expected.size());
        std::fill_n(actual.data(), actual.size(), 9.0F);
        std::vector<float> back(plain.size());

        to_blocks(plain.data(), actual.data(), samples, size, how());
        from_blocks(actual.data(), back.data(), samples, size, how());

        EXPECT_TRUE(std::equal(actual.data(), actual.data() + actual.size(), expected.data())) << samples;
        EXPECT_EQ(back, plain) << samples;
    }
}

TEST_P(block_layers, pool_the_maximum_and_send_its_gradient_to_the_first_of_equals) {
    for (const auto& [height, width] : {std::pair{28, 28}, {4, 4}, {5, 7}}) {
        const int planes = 3;
        const std::size_t size = std::size_t(planes) * height * width * lanes;
        const std::size_t pooled = std::size_t(planes) * (height / 2) * (width / 2) * lanes;
        aligned_floats x(size);
        aligned_floats g(pooled);
        aligned_floats y(pooled);
        aligned_floats dx(size);
        random_stream random(1, 2, 3, purpose::test);
        for (std::size_t i = 0; i < size; ++i) {
            x.data()[i] = static_cast<float>(random.below(4)) - 1.0F; // many equals
            dx.data()[i] = 9.0F;
        }
        for (std::size_t i = 0; i < pooled; ++i) {
            g.data()[i] = random.uniform() + 1.0F;
        }
        for (const bool through_relu : {false, true}) {
            max_pool(x.data(), y.data(), planes, height, width, how());
            max_pool_backward(x.data(), y.data(), g.data(), dx.data(), planes, height, width, through_relu,
                              how());
            aligned_floats in_place(size);
            std::copy_n(x.data(), size, in_place.data());
            max_pool_backward(in_place.data(), y.data(), g.data(), in_place.data(), planes, height, width,
                              through_relu, how());
            EXPECT_TRUE(std::equal(dx.data(), dx.data() + size, in_place.data()));

            std::vector<float> expected(size, 0.0F);
            for (std::size_t o = 0; o < pooled; ++o) {
                const std::size_t lane = o % lanes;
                const std::size_t ox = o / lanes % (width / 2);
                const std::size_t oy = o / lanes / (width / 2) % (height / 2);
                const std::size_t plane = o / lanes / (width / 2) / (height / 2);
                float best = -std::numeric_limits<float>::infinity();
                std::size_t at = 0;
                for (const std::size_t window : {0, 1, 2, 3}) {
                    const std::size_t i =
                        ((plane * height + 2 * oy + window / 2) * width + 2 * ox + window % 2) * lanes + lane;
                    if (x.data()[i] > best) {
                        best = x.data()[i];
                        at = i;
                    }
                }
                ASSERT_EQ(y.data()[o], best);
                expected[at] = through_relu && best <= 0 ? 0.0F : g.data()[o];
            }
            EXPECT_TRUE(std::equal(expected.begin(), expected.end(), dx.data())) << height << "x" << width;
        }
    }
}

TEST_P(block_layers, average_all_pixels_of_a_plane) {
    const int planes = 5;
    const int pixels = 16;
    const std::vector<float> values = random_floats(std::size_t(planes) * pixels * lanes, 1);
    const aligned_floats x = blocked(values, 16, 0.0F);
    aligned_floats y(std::size_t(planes) * lanes);
    aligned_floats dx(x.size());

    average_pool(x.data(), y.data(), planes, pixels, how());
    average_pool_backward(y.data(), dx.data(), planes, pixels, how());

    for (std::size_t o = 0; o < y.size(); ++o) {
        double sum = 0;
        for (std::size_t pixel = 0; pixel < std::size_t(pixels); ++pixel) {
            const std::size_t i = (o / lanes * pixels + pixel) * lanes + o % lanes;
            sum += double{x.data()[i]};
            ASSERT_FLOAT_EQ(dx.data()[i], y.data()[o] / 16.0F);
        }
        ASSERT_NEAR(y.data()[o], sum / 16.0, 1e-6);
    }
}

// Batch normalization of plain NCHW tensors, in double precision.
struct normalization_reference {
    normalization_shape shape;
    std::vector<double> mean, variance;

    normalization_reference(const normalization_shape& s, const std::vector<float>& x)
        : shape(s), mean(s.channels), variance(s.channels) {
        const double count = double{1} * s.samples * s.pixels;
        for_each(x, [&](std::size_t i, int c) { mean[c] += double{x[i]} / count; });
        for_each(x, [&](std::size_t i, int c) {
            variance[c] += (double{x[i]} - mean[c]) * (double{x[i]} - mean[c]) / count;
        });
    }
    void for_each(const std::vector<float>& x, const std::function<void(std::size_t, int)>& f) const {
        for (std::size_t i = 0; i < x.size(); ++i) {
            f(i, static_cast<int>(i / shape.pixels % shape.channels));
        }
    }
    double normal(const std::vector<float>& x, std::size_t i, int c) const {
        return (double{x[i]} - mean[c]) / std::sqrt(variance[c] + 1e-5);
    }
};

class normalization : public testing::TestWithParam<std::tuple<instruction_set, int, bool, bool>> {};

INSTANTIATE_TEST_SUITE_P(variants, normalization,
                         testing::Combine(testing::ValuesIn(available_instruction_sets()),
                                          testing::Values(16, 35), // samples
                                          testing::Bool(),         // residual
                                          testing::Bool()));       // rectify

TEST_P(normalization, gives_the_same_bits_on_any_number_of_threads) {
    const auto& [set, samples, has_residual, rectify] = GetParam();
    const normalization_shape shape{samples, 3, 49};
    const std::size_t size = std::size_t(samples) * 3 * 49;
    const aligned_floats x = blocked(random_floats(size, 1), samples, 100.0F);
    const aligned_floats residual = blocked(random_floats(size, 2), samples, 100.0F);
    const aligned_floats g = blocked(random_floats(size, 3), samples, 0.0F);
    const std::vector<float> scale{0.5F, 1.5F, -1.0F}, shift{0.1F, -0.2F, 0.3F};
    same_bits same;
    for (const int threads : {1, 2, 5}) {
        const execution how{set, threads};
        std::vector<float> running_mean(3), running_variance(3, 1.0F), mean(3), inverse(3);
        std::vector<float> scale_gradient(3), shift_gradient(3);
        const normalization_memory memory{mean.data(), inverse.data()};
        aligned_floats y(x.size()), dx(x.size()), dr(x.size());

        normalize_training(shape, {scale.data(), shift.data(), running_mean.data(), running_variance.data()},
                           memory, x.data(), has_residual ? residual.data() : nullptr, y.data(), rectify,
                           how);
        normalize_backward(shape, scale.data(), memory, x.data(), y.data(), g.data(), dx.data(),
                           has_residual ? dr.data() : nullptr, scale_gradient.data(), shift_gradient.data(),
                           rectify, how);

        same.expect(y, dx, running_mean, running_variance, scale_gradient, shift_gradient);
    }
}

TEST_P(normalization, agrees_with_double_precision_forward_and_backward) {
    const auto& [set, samples, has_residual, rectify] = GetParam();
    const execution how{set, 2};
    const normalization_shape shape{samples, 3, 49};
    const std::size_t size = std::size_t(samples) * 3 * 49;
    std::vector<float> x = random_floats(size, 1);
    for (float& v : x) {
        v = 2.0F * v + 5.0F;
    }
    const std::vector<float> residual = random_floats(size, 2);
    const std::vector<float> g = random_floats(size, 3);
    const std::vector<float> scale{0.5F, 1.5F, -1.0F};
    const std::vector<float> shift{0.1F, -0.2F, 0.3F};
    std::vector<float> running_mean{1.0F, 2.0F, 3.0F};
    std::vector<float> running_variance{1.0F, 2.0F, 3.0F};
    std::vector<float> mean(3), inverse(3), scale_gradient(3), shift_gradient(3);
    const normalization_parameters parameters{scale.data(), shift.data(), running_mean.data(),
                                              running_variance.data()};
    const normalization_memory memory{mean.data(), inverse.data()};
    const aligned_floats bx = blocked(x, samples, 100.0F); // what lies past the last sample must not count
    const aligned_floats br = blocked(residual, samples, 100.0F);
    const aligned_floats bg = blocked(g, samples, 0.0F);
    aligned_floats by(bx.size()), bdx(bx.size()), bdr(bx.size()), binference(bx.size());

    normalize_training(shape, parameters, memory, bx.data(), has_residual ? br.data() : nullptr, by.data(),
                       rectify, how);
    normalize_backward(shape, scale.data(), memory, bx.data(), by.data(), bg.data(), bdx.data(),
                       has_residual ? bdr.data() : nullptr, scale_gradient.data(), shift_gradient.data(),
                       rectify, how);
    normalize_inference(shape, parameters, bx.data(), has_residual ? br.data() : nullptr, binference.data(),
                        rectify, how);

    const normalization_reference expected(shape, x);
    const double count = double{1} * samples * 49;
    std::vector<float> y(size), dr(size), dx(size), inference(size), running(3);
    std::vector<double> sum(3), weighted(3);
    expected.for_each(x, [&, has_residual = has_residual, rectify = rectify](std::size_t i, int c) {
        const double rest = has_residual ? double{residual[i]} : 0.0;
        const double value = expected.normal(x, i, c) * scale[c] + shift[c] + rest;
        y[i] = static_cast<float>(rectify ? std::max(0.0, value) : value);
        dr[i] = !rectify || value > 0 ? g[i] : 0.0F;
        sum[c] += double{dr[i]};
        weighted[c] += double{dr[i]} * expected.normal(x, i, c);
        const double later =
            (double{x[i]} - running_mean[c]) / std::sqrt(double{running_variance[c]} + 1e-5) * scale[c] +
            shift[c] + rest;
        inference[i] = static_cast<float>(rectify ? std::max(0.0, later) : later);
    });
    expected.for_each(x, [&](std::size_t i, int c) {
        const double factor = scale[c] / std::sqrt(expected.variance[c] + 1e-5);
        dx[i] = static_cast<float>(
            factor * (double{dr[i]} - sum[c] / count - expected.normal(x, i, c) * weighted[c] / count));
    });
    EXPECT_LT(relative_error(by, y, samples), tolerance);
    EXPECT_LT(relative_error(binference, inference, samples), tolerance);
    EXPECT_LT(relative_error(bdx, dx, samples), tolerance);
    EXPECT_EQ(largest_in_padding(bdx, samples), 0.0F);
    if (has_residual) {
        EXPECT_LT(relative_error(bdr, dr, samples), tolerance);
        EXPECT_EQ(largest_in_padding(bdr, samples), 0.0F);
    }
    for (int c = 0; c < 3; ++c) {
        EXPECT_NEAR(scale_gradient[c], weighted[c], 1e-5 * count);
        EXPECT_NEAR(shift_gradient[c], sum[c], 1e-5 * count);
        EXPECT_NEAR(running_mean[c], 0.9 * (c + 1) + 0.1 * expected.mean[c], 1e-5);
        EXPECT_NEAR(running_variance[c], 0.9 * (c + 1) + 0.1 * expected.variance[c] * count / (count - 1),
                    1e-5);
    }
}

class group_normalization : public testing::TestWithParam<std::tuple<instruction_set, int, int, bool>> {};

INSTANTIATE_TEST_SUITE_P(variants, group_normalization,
                         testing::Combine(testing::ValuesIn(available_instruction_sets()),
                                          testing::Values(16, 35),  // samples
                                          testing::Values(1, 3, 6), // groups
                                          testing::Bool()));        // rectify

TEST_P(group_normalization, agrees_with_the_reference_on_any_number_of_threads) {
    const auto& [set, samples, groups, rectify] = GetParam();
    const group_shape shape{samples, 6, 49, groups};
    std::vector<float> x = random_floats(std::size_t(samples) * 6 * 49, 1);
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = x[i] * static_cast<float>(1 + i / 49 % 6) + 5.0F; // no two channels alike
    }
    const std::vector<float> g = random_floats(x.size(), 3);
    const std::vector<float> scale{0.5F, 1.5F, -1.0F, 2.0F, 0.0F, 1.0F};
    const std::vector<float> shift{0.1F, -0.2F, 0.3F, 0.0F, 0.2F, -0.1F};
    const auto expected = reference::normalize_groups(shape, scale, shift, x, g, rectify);
    const aligned_floats bx = blocked(x, samples, 100.0F);
    const aligned_floats bg = blocked(g, samples, 0.0F);
    same_bits same;
    for (const int threads : {1, 2, 5}) {
        aligned_floats by(bx.size()), bdx(bx.size());
        aligned_floats mean(group_memory_size(shape)), inverse(group_memory_size(shape));
        std::vector<float> scale_gradient(6), shift_gradient(6);
        const normalization_memory memory{mean.data(), inverse.data()};

        normalize_groups(shape, scale.data(), shift.data(), memory, bx.data(), by.data(), rectify,
                         {set, threads});
        normalize_groups_backward(shape, scale.data(), memory, bx.data(), by.data(), bg.data(), bdx.data(),
                                  scale_gradient.data(), shift_gradient.data(), rectify, {set, threads});

        EXPECT_LT(relative_error(by, expected.output, samples), tolerance);
        EXPECT_LT(relative_error(bdx, expected.input_gradient, samples), tolerance);
        EXPECT_EQ(largest_in_padding(bdx, samples), 0.0F);
        EXPECT_LT(relative_error(scale_gradient, expected.scale_gradient), tolerance);
        EXPECT_LT(relative_error(shift_gradient, expected.shift_gradient), tolerance);
        same.expect(by, bdx, scale_gradient, shift_gradient);
    }
}

} // namespace
} // namespace feddip::sparse::kernels
