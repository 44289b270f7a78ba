#include "base/error.hpp"
#include "sparse/kernels/kernels.hpp"
#include "sparse/kernels/reference.hpp"
#include "unit/sparse_kernels/blocked.hpp"

#include <gtest/gtest.h>

#include <string>

namespace feddip::sparse::kernels {
namespace {

using namespace feddip::test;

constexpr double tolerance = 1e-5;
constexpr std::size_t first_bit = 5;
constexpr float untouched = 77.0F;

struct linear_case {
    int in;
    int out;
    double density;
    int samples;
};

void PrintTo(const linear_case& c, std::ostream* out) {
    *out << c.in << "->" << c.out << ", density " << c.density << ", " << c.samples << " samples";
}

class sparse_linear_case : public testing::TestWithParam<linear_case> {};

TEST_P(sparse_linear_case, agrees_with_the_reference_in_all_passes) {
    const linear_case& c = GetParam();
    const convolution_shape shape{c.in, c.out, 1, 1, 1}; // the same sums
    const std::size_t weights = std::size_t(c.in) * c.out;
    const mask alive = random_mask(first_bit + weights, c.density, 1);
    const std::vector<float> weight = reference::masked(random_floats(weights, 2), alive, first_bit);
    const std::vector<float> bias = random_floats(c.out, 3);
    const std::vector<float> input = random_floats(std::size_t(c.samples) * c.in, 4);
    const std::vector<float> output_gradient = random_floats(std::size_t(c.samples) * c.out, 5);
    const std::vector<float> expected_weight_gradient =
        reference::convolve_backward_weights(shape, input, output_gradient, c.samples);
    const int blocks = blocks_of(c.samples);
    const aligned_floats blocked_input = blocked(input, c.samples, 3.0F);
    const aligned_floats blocked_gradient = blocked(output_gradient, c.samples, 0.0F);
    for (const instruction_set set : available_instruction_sets()) {
        same_bits same;
        for (const int threads : {1, 2, 5}) {
            SCOPED_TRACE(std::string(name_of(set)) + ", " + std::to_string(threads) + " threads");
            sparse_linear layer(c.in, c.out, alive, first_bit, blocks + 3, {set, threads});
            layer.load_weights(packed(weight, alive, first_bit).data());
            aligned_floats output(std::size_t(blocks) * c.out * lanes);
            aligned_floats input_gradient(std::size_t(blocks) * c.in * lanes);
            std::vector<float> weight_gradient(alive.count(first_bit, weights), untouched);
            std::vector<float> bias_gradient(c.out, untouched);

            layer.forward(blocked_input.data(), bias.data(), output.data(), blocks);
            layer.backward_input(blocked_gradient.data(), input_gradient.data(), blocks);
            layer.backward_weights(blocked_input.data(), blocked_gradient.data(), weight_gradient.data(),
                                   bias_gradient.data(), blocks);

            EXPECT_LT(
                relative_error(output, reference::convolve(shape, weight, bias, input, c.samples), c.samples),
                tolerance);
            EXPECT_LT(
                relative_error(input_gradient,
                               reference::convolve_backward_input(shape, weight, output_gradient, c.samples),
                               c.samples),
                tolerance);
            EXPECT_EQ(largest_in_padding(input_gradient, c.samples), 0.0F);
            EXPECT_LT(
                relative_error(bias_gradient, reference::sum_channels(output_gradient, c.samples, c.out, 1)),
                tolerance);
            EXPECT_LT(relative_error(with_packed(expected_weight_gradient, weight_gradient, alive, first_bit),
                                     expected_weight_gradient),
                      tolerance);
            same.expect(output, input_gradient, weight_gradient, bias_gradient);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(lenet5, sparse_linear_case,
                         testing::Values(linear_case{400, 120, 0.0, 19}, linear_case{400, 120, 0.01, 128},
                                         linear_case{400, 120, 0.08, 128}, linear_case{120, 84, 0.3, 100},
                                         linear_case{84, 10, 1.0, 33}));
INSTANTIATE_TEST_SUITE_P(alexnet, sparse_linear_case,
                         testing::Values(linear_case{1024, 4096, 0.09, 20}, linear_case{4096, 4096, 0.03, 4},
                                         linear_case{4096, 10, 1.0, 140}));
INSTANTIATE_TEST_SUITE_P(resnet18, sparse_linear_case, testing::Values(linear_case{512, 100, 0.05, 272}));

TEST(sparse_linear, has_the_same_gradients_where_threads_outnumber_its_outputs) {
    constexpr int in = 4096, out = 10, samples = 140;
    const mask alive = random_mask(std::size_t(in) * out, 0.3, 1);
    const int blocks = blocks_of(samples);
    const aligned_floats input = blocked(random_floats(std::size_t(samples) * in, 2), samples, 0.0F);
    const aligned_floats output_gradient =
        blocked(random_floats(std::size_t(samples) * out, 3), samples, 0.0F);
    for (const instruction_set set : available_instruction_sets()) {
        const auto gradient_with = [&](int threads) {
            sparse_linear layer(in, out, alive, 0, blocks, {set, threads});
            std::vector<float> gradient(alive.count()), bias(out);
            layer.backward_weights(input.data(), output_gradient.data(), gradient.data(), bias.data(),
                                   blocks);
            return gradient;
        };
        EXPECT_EQ(gradient_with(12), gradient_with(1));
    }
}

TEST(sparse_linear, takes_batches_of_changing_size) {
    const mask alive = random_mask(60, 0.5, 1);
    const std::vector<float> weight = reference::masked(random_floats(60, 2), alive, 0);
    const convolution_shape shape{6, 10, 1, 1, 1};
    sparse_linear layer(6, 10, alive, 0, 9);
    layer.load_weights(packed(weight, alive, 0).data());
    for (const int samples : {144, 16, 100, 7, 144}) {
        const std::vector<float> input = random_floats(std::size_t(samples) * 6, 3);
        const aligned_floats blocked_input = blocked(input, samples, 0.0F);
        aligned_floats output(std::size_t(blocks_of(samples)) * 10 * lanes);

        layer.forward(blocked_input.data(), nullptr, output.data(), blocks_of(samples), true);

        std::vector<float> expected = reference::convolve(shape, weight, {}, input, samples);
        for (float& v : expected) {
            v = std::max(v, 0.0F);
        }
        EXPECT_LT(relative_error(output, expected, samples), tolerance) << samples;
    }
}

TEST(sparse_linear, refuses_a_mask_that_is_too_short) {
    EXPECT_THROW(sparse_linear(6, 10, mask(60, true), 1, 1), error);
}

} // namespace
} // namespace feddip::sparse::kernels
