// Training with bf16 operands: rounding, and nothing else, tells it from f32.
#include "base/error.hpp"
#include "nn/elementwise.hpp"
#include "nn/layers/bf16_gradients.hpp"
#include "nn/version.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace feddip::nn {
namespace {

using config::model_name;
using config::precision_kind;
using test::dropout_stream;
using test::synthetic_batch;

struct model_case {
    const char* name;
    model_name model;
    data::image_shape shape;
};

class bf16 : public testing::TestWithParam<model_case> {
protected:
    void SetUp() override {
        if (!can_multiply_bf16()) {
            GTEST_SKIP() << "this processor doesn't multiply bfloat16";
        }
    }
    static network make(precision_kind precision) {
        network net({.model = GetParam().model,
                     .input = GetParam().shape,
                     .max_batch = 64,
                     .kernels = config::kernel_kind::dense,
                     .precision = precision});
        test::draw_state(net, 1);
        return net;
    }
    const synthetic_batch batch{GetParam().shape, 64, 10};
};

double relative_distance(std::span<const float> a, std::span<const float> b) {
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
        norm += std::pow(static_cast<double>(a[i]), 2);
    }
    return std::sqrt(difference / norm);
}

void expect_close_gradients(network& exact, network& rounded, const synthetic_batch& batch, double most) {
    auto dropout = dropout_stream();
    auto same_dropout = dropout_stream();
    const auto expected = exact.train(batch.view(), dropout);
    const auto found = rounded.train(batch.view(), same_dropout);
    EXPECT_NEAR(found.loss / expected.loss, 1, 0.01);
    for (const parameter& p : exact.layout().weights()) {
        const auto of = [&](network& net) { return net.gradients().subspan(p.offset, p.size); };
        const double distance = relative_distance(of(exact), of(rounded));
        EXPECT_LT(distance, most) << p.name;
        EXPECT_GT(distance, 0) << p.name << " was not computed with rounded operands";
    }
}

// Rounding turns some ReLUs on or off and moves some maxima, each of which changes a gradient wholly; through
// twenty layers and random labels, where images' gradients nearly cancel, that adds up.
TEST_P(bf16, gives_gradients_in_the_direction_of_f32) {
    network exact = make(precision_kind::f32);
    network rounded = make(precision_kind::bf16);
    expect_close_gradients(exact, rounded, batch, 0.4);
}

TEST_P(bf16, scores_as_f32_does) {
    network exact = make(precision_kind::f32);
    network rounded = make(precision_kind::bf16);
    EXPECT_NEAR(rounded.evaluate(batch.view()).loss / exact.evaluate(batch.view()).loss, 1, 0.01);
}

TEST_P(bf16, gives_the_same_bits_again) {
    network first = make(precision_kind::bf16);
    network second = make(precision_kind::bf16);
    auto dropout = dropout_stream();
    auto same_dropout = dropout_stream();
    first.train(batch.view(), dropout);
    second.train(batch.view(), same_dropout);
    EXPECT_TRUE(std::ranges::equal(first.gradients(), second.gradients()));
}

INSTANTIATE_TEST_SUITE_P(models, bf16,
                         testing::Values(model_case{"lenet5", model_name::lenet5, {1, 28, 28}},
                                         model_case{"alexnet", model_name::alexnet, {3, 32, 32}},
                                         model_case{"resnet18", model_name::resnet18, {3, 32, 32}}),
                         [](const auto& tested) { return std::string(tested.param.name); });

// Where nothing can flip, what is left is the rounding of the operands, by 2^-9 each.
TEST(precision, of_linear_layers_costs_the_rounding_of_their_operands) {
    if (!can_multiply_bf16()) {
        GTEST_SKIP() << "this processor doesn't multiply bfloat16";
    }
    model_spec linear({3, 8, 8});
    linear.convolution("conv1", {.outputs = 32, .kernel = 3, .stride = 2, .padding = 1});
    linear.convolution("conv2", {.outputs = 16, .kernel = 3, .padding = 1, .bias = false});
    linear.convolution("conv3", {.outputs = 24, .kernel = 2});
    linear.fully_connected("fc1", 40);
    linear.fully_connected("fc2", 10);
    network exact(linear, 64);
    network rounded(linear, 64, config::kernel_kind::dense, precision_kind::bf16);
    test::draw_state(exact, 1);
    test::draw_state(rounded, 1);
    expect_close_gradients(exact, rounded, synthetic_batch({3, 8, 8}, 64, 10), 0.01);
}

TEST(precision, unfolded_images_are_what_a_convolution_multiplies) {
    const window w{.channels = 3,
                   .height = 5,
                   .width = 4,
                   .out_height = 3,
                   .out_width = 2,
                   .kernel = 3,
                   .stride = 2,
                   .padding = 1};
    constexpr std::size_t count = 2;
    std::vector<std::uint16_t> images(count * 5 * 4 * 3);
    std::iota(images.begin(), images.end(), std::uint16_t{1});
    std::vector<std::uint16_t> unfolded(count * 3 * 2 * 9 * 3, 0xffff);
    unfold(images.data(), count, w, unfolded.data());

    std::size_t at = 0;
    for (std::size_t i = 0; i < count; ++i) {
        for (const int y : {0, 1, 2}) {
            for (const int x : {0, 1}) {
                for (int tap = 0; tap < 9; ++tap) {
                    const int from_y = 2 * y - 1 + tap / 3;
                    const int from_x = 2 * x - 1 + tap % 3;
                    const bool inside = from_y >= 0 && from_y < 5 && from_x >= 0 && from_x < 4;
                    for (int c = 0; c < 3; ++c, ++at) {
                        const int expected =
                            inside ? static_cast<int>(i) * 60 + (from_y * 4 + from_x) * 3 + c + 1 : 0;
                        ASSERT_EQ(unfolded[at], expected)
                            << i << ' ' << y << ' ' << x << ' ' << tap << ' ' << c;
                    }
                }
            }
        }
    }
}

TEST(precision, sums_of_rows_are_those_of_each_column) {
    const std::vector<float> matrix{1, 2, 3, 10, 20, 30, 100, 200, 300};
    std::vector<float> sums(3, -1);
    sum_rows(matrix.data(), 3, 3, sums.data());
    EXPECT_EQ(sums, (std::vector<float>{111, 222, 333}));
}

TEST(precision, that_the_processor_lacks_is_refused) {
    if (can_multiply_bf16()) {
        GTEST_SKIP() << "this processor multiplies bfloat16";
    }
    EXPECT_THROW(network({.precision = precision_kind::bf16}), input_error);
}

// Numbers of oneDNN 2.6, then of 3.0, where AMX has fp16 beside.
TEST(instructions, are_named_by_the_best_that_is_known_of_them) {
    EXPECT_EQ(name_of_instructions(0), "generic");
    EXPECT_EQ(name_of_instructions(0x7), "AVX2");
    EXPECT_EQ(name_of_instructions(0x27), "AVX-512");
    EXPECT_EQ(name_of_instructions(0x67), "AVX-512 with VNNI");
    EXPECT_FALSE(multiplies_bf16(0x67));
    EXPECT_EQ(name_of_instructions(0xe7), "AVX-512 with bfloat16");
    EXPECT_TRUE(multiplies_bf16(0xe7));
    EXPECT_EQ(name_of_instructions(0x1fef), "AVX-512 with AMX");
    EXPECT_TRUE(multiplies_bf16(0x1fef));
    EXPECT_EQ(name_of_instructions(0x1ef), "AVX-512 with bfloat16");
    EXPECT_TRUE(multiplies_bf16(0x1ef));
}

} // namespace
} // namespace feddip::nn
