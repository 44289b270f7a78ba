#include "base/error.hpp"
#include "sparse/kernels/kernels.hpp"
#include "sparse/kernels/reference.hpp"
#include "unit/sparse_kernels/blocked.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <ostream>
#include <string>

namespace feddip::sparse::kernels {

static void PrintTo(const convolution_shape& s, std::ostream* out) {
    *out << s.in_channels << "->" << s.out_channels << " at " << s.height << "x" << s.width << ", kernel "
         << s.kernel << ", stride " << s.stride << ", padding " << s.padding;
}

namespace {

using namespace feddip::test;

constexpr double tolerance = 1e-5;
constexpr std::size_t first_bit = 37; // the tensor need not start at a word of the mask
constexpr float untouched = 77.0F;

struct problem {
    problem(const convolution_shape& s, double density, int n)
        : shape(s), samples(n), blocks(blocks_of(n)),
          weights(std::size_t(s.out_channels) * s.in_channels * s.kernel * s.kernel),
          alive(random_mask(first_bit + weights, density, 1)),
          weight(reference::masked(random_floats(weights, 2), alive, first_bit)),
          bias(random_floats(s.out_channels, 3)),
          input(random_floats(std::size_t(n) * s.in_channels * s.height * s.width, 4)),
          output_gradient(random_floats(std::size_t(n) * s.out_channels * s.out_height() * s.out_width(), 5)),
          output_size(std::size_t(blocks) * lanes * s.out_channels * s.out_height() * s.out_width()),
          input_size(std::size_t(blocks) * lanes * s.in_channels * s.height * s.width) {}

    convolution_shape shape;
    int samples;
    int blocks;
    std::size_t weights;
    mask alive;
    std::vector<float> weight, bias, input, output_gradient;
    std::size_t output_size, input_size;
};

struct results {
    aligned_floats output, input_gradient;
    std::vector<float> weight_gradient, bias_gradient;
};

results compute(const problem& p, const execution& how, bool relu = false) {
    sparse_convolution convolution(p.shape, p.alive, first_bit, how);
    convolution.load_weights(packed(p.weight, p.alive, first_bit).data());
    const aligned_floats input = blocked(p.input, p.samples, 3.0F);
    const aligned_floats output_gradient = blocked(p.output_gradient, p.samples, 0.0F);
    results r{aligned_floats(p.output_size), aligned_floats(p.input_size),
              std::vector<float>(p.alive.count(first_bit, p.weights), untouched),
              std::vector<float>(p.bias.size(), untouched)};
    std::fill_n(r.output.data(), r.output.size(), untouched);
    std::fill_n(r.input_gradient.data(), r.input_gradient.size(), untouched);
    // Twice, since nothing may be left over from the pass before.
    for (int pass = 0; pass < 2; ++pass) {
        convolution.forward(input.data(), p.bias.data(), r.output.data(), p.blocks, relu);
        convolution.backward_input(output_gradient.data(), r.input_gradient.data(), p.blocks);
        convolution.backward_weights(input.data(), output_gradient.data(), r.weight_gradient.data(),
                                     r.bias_gradient.data(), p.blocks);
    }
    return r;
}

void expect_agreement(const problem& p) {
    const std::vector<float> output = reference::convolve(p.shape, p.weight, p.bias, p.input, p.samples);
    const std::vector<float> input_gradient =
        reference::convolve_backward_input(p.shape, p.weight, p.output_gradient, p.samples);
    const std::vector<float> weight_gradient =
        reference::convolve_backward_weights(p.shape, p.input, p.output_gradient, p.samples);
    const std::vector<float> bias_gradient = reference::sum_channels(
        p.output_gradient, p.samples, p.shape.out_channels, p.shape.out_height() * p.shape.out_width());
    for (const instruction_set set : available_instruction_sets()) {
        SCOPED_TRACE(std::string(name_of(set)));

        const results r = compute(p, {.instructions = set});

        EXPECT_LT(relative_error(r.output, output, p.samples), tolerance);
        EXPECT_LT(relative_error(r.input_gradient, input_gradient, p.samples), tolerance);
        EXPECT_EQ(largest_in_padding(r.input_gradient, p.samples), 0.0F);
        EXPECT_LT(relative_error(r.bias_gradient, bias_gradient), tolerance);
        EXPECT_LT(relative_error(with_packed(weight_gradient, r.weight_gradient, p.alive, first_bit),
                                 weight_gradient),
                  tolerance);
    }
}

class small_convolution : public testing::TestWithParam<std::tuple<convolution_shape, double>> {};

TEST_P(small_convolution, agrees_with_the_reference_in_all_passes) {
    const auto& [shape, density] = GetParam();
    expect_agreement({shape, density, 19});
}

// The networks' kernels, strides and images with few channels, and shapes that fill no tile.
INSTANTIATE_TEST_SUITE_P(
    shapes, small_convolution,
    testing::Combine(
        testing::Values(convolution_shape{1, 6, 28, 28, 5, 1, 2}, convolution_shape{6, 16, 14, 14, 5, 1, 0},
                        convolution_shape{3, 8, 32, 32, 3, 2, 1}, convolution_shape{5, 7, 8, 8, 3, 1, 1},
                        convolution_shape{9, 6, 4, 4, 3, 1, 1}, convolution_shape{4, 6, 16, 16, 3, 2, 1},
                        convolution_shape{4, 5, 8, 8, 1, 2, 0}, convolution_shape{4, 5, 8, 8, 1, 1, 0},
                        convolution_shape{3, 4, 9, 7, 3, 2, 1}, convolution_shape{3, 4, 9, 9, 5, 2, 2},
                        convolution_shape{3, 4, 4, 7, 3, 1, 1}, convolution_shape{3, 4, 4, 4, 3, 1, 0},
                        convolution_shape{2, 3, 3, 3, 3, 1, 1}, convolution_shape{2, 3, 6, 5, 3, 3, 1},
                        convolution_shape{3, 4, 32, 32, 3, 2, 1}, convolution_shape{3, 4, 29, 37, 3, 2, 1},
                        convolution_shape{3, 4, 35, 35, 5, 2, 2}),
        testing::Values(0.0, 0.01, 0.05, 0.3, 1.0)));

class full_convolution : public testing::TestWithParam<std::tuple<convolution_shape, double>> {};

TEST_P(full_convolution, agrees_with_the_reference_in_all_passes) {
    const auto& [shape, density] = GetParam();
    expect_agreement({shape, density, 2});
}

// Layers of AlexNet and ResNet-18 as they are: many blocks of input channels.
INSTANTIATE_TEST_SUITE_P(alexnet, full_convolution,
                         testing::Combine(testing::Values(convolution_shape{64, 192, 8, 8, 3, 1, 1},
                                                          convolution_shape{192, 384, 4, 4, 3, 1, 1},
                                                          convolution_shape{384, 256, 4, 4, 3, 1, 1}),
                                          testing::Values(0.05)));
INSTANTIATE_TEST_SUITE_P(resnet18, full_convolution,
                         testing::Combine(testing::Values(convolution_shape{64, 64, 32, 32, 3, 1, 1},
                                                          convolution_shape{64, 128, 32, 32, 3, 2, 1},
                                                          convolution_shape{64, 128, 32, 32, 1, 2, 0},
                                                          convolution_shape{256, 256, 8, 8, 3, 1, 1}),
                                          testing::Values(0.05)));
INSTANTIATE_TEST_SUITE_P(dense, full_convolution,
                         testing::Combine(testing::Values(convolution_shape{96, 80, 8, 8, 3, 1, 1},
                                                          convolution_shape{96, 80, 4, 4, 3, 1, 1}),
                                          testing::Values(0.3, 1.0)));

TEST(sparse_convolution, rectifies_after_adding_the_bias) {
    const problem p({5, 7, 8, 8, 3, 1, 1}, 0.3, 16);
    std::vector<float> expected = reference::convolve(p.shape, p.weight, p.bias, p.input, p.samples);
    for (float& v : expected) {
        v = std::max(v, 0.0F);
    }
    for (const instruction_set set : available_instruction_sets()) {
        const results r = compute(p, {.instructions = set}, true);

        EXPECT_LT(relative_error(r.output, expected, p.samples), tolerance) << name_of(set);
    }
}

TEST(sparse_convolution, gives_the_same_bits_on_any_number_of_threads) {
    for (const convolution_shape& shape :
         {convolution_shape{64, 48, 8, 8, 3, 1, 1}, convolution_shape{6, 5, 9, 9, 3, 2, 1}}) {
        const problem p(shape, 0.2, 40);
        const results one = compute(p, {.threads = 1});
        for (const int threads : {2, 3}) {
            const results more = compute(p, {.threads = threads});

            EXPECT_EQ(std::memcmp(one.output.data(), more.output.data(), p.output_size * sizeof(float)), 0);
            EXPECT_EQ(std::memcmp(one.input_gradient.data(), more.input_gradient.data(),
                                  p.input_size * sizeof(float)),
                      0);
            EXPECT_EQ(one.weight_gradient, more.weight_gradient);
            EXPECT_EQ(one.bias_gradient, more.bias_gradient);
        }
    }
}

TEST(sparse_convolution, gives_the_same_bits_for_a_sample_in_any_block) {
    const problem p({5, 7, 8, 8, 3, 1, 1}, 0.3, 16);
    sparse_convolution convolution(p.shape, p.alive, first_bit);
    convolution.load_weights(packed(p.weight, p.alive, first_bit).data());
    std::vector<float> twice = p.input;
    twice.insert(twice.end(), p.input.begin(), p.input.end());
    const aligned_floats input = blocked(twice, 32, 0.0F);
    aligned_floats output(2 * p.output_size);

    convolution.forward(input.data(), p.bias.data(), output.data(), 2);

    EXPECT_EQ(std::memcmp(output.data(), output.data() + p.output_size, p.output_size * sizeof(float)), 0);
}

TEST(sparse_convolution, refuses_what_it_cannot_compute) {
    EXPECT_THROW(sparse_convolution({3, 4, 2, 2, 5, 1, 1}, mask(300, true), 0), error);
    EXPECT_THROW(sparse_convolution({3, 4, 16, 16, 7, 1, 3}, mask(588, true), 0), error);
    EXPECT_THROW(sparse_convolution({3, 4, 8, 8, 3, 1, 1}, mask(108, true), 1), error);
}

} // namespace
} // namespace feddip::sparse::kernels
