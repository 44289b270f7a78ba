#include "base/error.hpp"
#include "nn/network.hpp"
#include "support.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace feddip::nn {
namespace {

using config::model_name;
using test::draw_state;
using test::dropout_stream;
using test::synthetic_batch;

constexpr int classes = 10;

model_spec small_residual_network() {
    model_spec m({3, 8, 8});
    m.convolution("conv1", {.outputs = 16, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn1");
    const int input = m.relu();
    m.convolution("conv2", {.outputs = 16, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn2");
    m.add(input);
    m.relu();
    m.max_pool(2);
    m.dropout(0.5F);
    m.fully_connected("fc", classes);
    return m;
}

std::vector<float> copy(std::span<const float> values) {
    return {values.begin(), values.end()};
}

batch_score train(network& net, const data::batch& b) {
    random_stream dropout = dropout_stream();
    return net.train(b, dropout);
}

class network_with_threads : public testing::TestWithParam<int> {
protected:
    void SetUp() override { omp_set_num_threads(GetParam()); }
    void TearDown() override { omp_set_num_threads(before_); }

private:
    int before_ = omp_get_max_threads();
};

TEST_P(network_with_threads, gives_the_same_bits_for_the_same_step) {
    const synthetic_batch batch({3, 8, 8}, 20, classes);
    std::vector<std::vector<float>> gradients;
    std::vector<std::vector<float>> states;
    for (int run = 0; run < 2; ++run) {
        network net(small_residual_network(), 20);
        draw_state(net, 5);
        train(net, batch.view());
        gradients.push_back(copy(net.gradients()));
        states.push_back(copy(net.state()));
    }
    EXPECT_EQ(gradients[0], gradients[1]);
    EXPECT_EQ(states[0], states[1]);
}

INSTANTIATE_TEST_SUITE_P(network, network_with_threads, testing::Values(1, 2, 3));

TEST(network, a_step_does_not_depend_on_what_ran_before) {
    const synthetic_batch batch({3, 8, 8}, 20, classes);
    network fresh(small_residual_network(), 20);
    network used(small_residual_network(), 20);
    draw_state(used, 9);
    const synthetic_batch other({3, 8, 8}, 20, classes, 2);
    train(used, other.view());
    used.evaluate(other.first(7));
    train(used, other.first(3));
    draw_state(fresh, 5);
    draw_state(used, 5);
    const batch_score a = train(fresh, batch.view());
    const batch_score b = train(used, batch.view());
    EXPECT_EQ(a.loss, b.loss);
    EXPECT_EQ(copy(fresh.gradients()), copy(used.gradients()));
}

TEST(network, many_batch_sizes_in_turn_give_what_each_gives_alone) {
    const synthetic_batch batch({1, 28, 28}, 24, classes);
    network net({.max_batch = 24});
    draw_state(net, 1);
    std::vector<double> losses;
    for (int round = 0; round < 2; ++round) { // more sizes than plans are kept
        for (int size = 1; size <= 24; size += 2) {
            losses.push_back(train(net, batch.first(size)).loss);
        }
    }
    const std::size_t half = losses.size() / 2;
    for (std::size_t i = 0; i < half; ++i) {
        EXPECT_EQ(losses[i], losses[half + i]) << "batch size " << 2 * i + 1;
    }
}

TEST(network, the_gradient_of_a_batch_is_the_mean_over_its_images) {
    const synthetic_batch batch({1, 28, 28}, 12, classes);
    network net({.max_batch = 12});
    draw_state(net, 1);
    const std::size_t image = std::size_t{28} * 28;
    std::vector<double> mean(net.layout().trainable_size());
    double loss = 0;
    for (std::size_t i = 0; i < 12; ++i) {
        loss += train(net, {std::span(batch.images).subspan(i * image, image),
                            std::span(batch.labels).subspan(i, 1)})
                    .loss;
        for (std::size_t k = 0; k < mean.size(); ++k) {
            mean[k] += net.gradients()[k] / 12.0;
        }
    }
    EXPECT_NEAR(train(net, batch.view()).loss, loss, 1e-5);
    for (std::size_t k = 0; k < mean.size(); ++k) {
        ASSERT_NEAR(net.gradients()[k], mean[k], 1e-5) << k;
    }
}

TEST(network, batch_norm_keeps_running_statistics_as_pytorch_does) {
    model_spec m({1, 4, 4});
    m.convolution("conv", {.outputs = 16, .kernel = 1, .bias = false}); // scales the image
    m.batch_norm("bn");
    m.fully_connected("fc", 2);
    network net(m, 3);
    draw_state(net, 1);
    const parameter_layout& layout = net.layout();
    const synthetic_batch batch({1, 4, 4}, 3, 2);
    const double mean = std::accumulate(batch.images.begin(), batch.images.end(), 0.0) / 48;
    double squares = 0;
    for (const float x : batch.images) {
        squares += (x - mean) * (x - mean);
    }
    train(net, batch.view());
    for (std::size_t c = 0; c < 16; ++c) {
        const double scale = net.state()[layout.named("conv.weight").offset + c];
        EXPECT_NEAR(net.state()[layout.named("bn.running_mean").offset + c], 0.1 * scale * mean, 1e-6);
        EXPECT_NEAR(net.state()[layout.named("bn.running_var").offset + c],
                    0.9 + 0.1 * scale * scale * squares / 47, 1e-6);
    }
}

TEST(network, evaluation_normalizes_with_the_running_statistics) {
    model_spec m({1, 4, 4});
    m.convolution("conv", {.outputs = 16, .kernel = 1, .bias = false});
    m.batch_norm("bn");
    m.fully_connected("fc", 2);
    network net(m, 4);
    draw_state(net, 1);
    const synthetic_batch batch({1, 4, 4}, 4, 2);
    const std::vector<float> before = copy(net.state());
    const double together = net.evaluate(batch.view()).loss;
    double one_by_one = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        one_by_one +=
            net.evaluate({std::span(batch.images).subspan(i * 16, 16), std::span(batch.labels).subspan(i, 1)})
                .loss;
    }
    EXPECT_NEAR(together, one_by_one, 1e-5);
    EXPECT_EQ(copy(net.state()), before);
    const parameter& mean = net.layout().named("bn.running_mean");
    std::ranges::fill(net.state().subspan(mean.offset, mean.size), 3.0F);
    EXPECT_GT(std::abs(net.evaluate(batch.view()).loss - together), 1e-3);
}

// A network that hands its dropped input on: one output per input, weight 1.
TEST(network, dropout_keeps_the_right_share_and_scales_it) {
    constexpr int inputs = 64;
    constexpr float p = 0.25F;
    model_spec m({inputs, 1, 1});
    m.dropout(p);
    m.fully_connected("fc", 2);
    network net(m, 50);
    const parameter& weights = net.layout().named("fc.weight");
    const parameter& bias = net.layout().named("fc.bias");
    const std::vector<float> ones(50 * inputs, 1.0F);
    const std::vector<std::int32_t> labels(50, 0);
    random_stream dropout = dropout_stream();
    net.train({ones, labels}, dropout);

    // With logits (0, 0) the gradient of weight (1, i) is half of the mean of input i after dropout.
    double total = 0;
    for (std::size_t i = 0; i < inputs; ++i) {
        const double kept = 2.0 * net.gradients()[weights.offset + inputs + i] * 50 * (1 - p);
        EXPECT_NEAR(kept, std::round(kept), 1e-4);
        total += kept;
    }
    EXPECT_NEAR(total / (50 * inputs), 1 - p, 0.03);
    EXPECT_NEAR(net.gradients()[bias.offset], -0.5, 1e-6);
}

TEST(network, dropout_follows_its_stream_and_is_off_in_evaluation) {
    network net(small_residual_network(), 8);
    draw_state(net, 2);
    const synthetic_batch batch({3, 8, 8}, 8, classes);
    random_stream dropout = dropout_stream();
    const double first = net.train(batch.view(), dropout).loss;
    const double second = net.train(batch.view(), dropout).loss;
    EXPECT_NE(first, second);
    EXPECT_EQ(train(net, batch.view()).loss, first);
    EXPECT_EQ(net.evaluate(batch.view()).loss, net.evaluate(batch.view()).loss);
}

TEST(network, scores_count_top1_and_top5) {
    // The logits are the image itself.
    model_spec m({classes, 1, 1});
    m.fully_connected("fc", classes);
    network net(m, 4);
    for (std::size_t i = 0; i < classes; ++i) {
        net.state()[net.layout().named("fc.weight").offset + i * classes + i] = 1.0F;
    }
    std::vector<float> logits(4 * classes);
    for (std::size_t k = 0; k < logits.size(); ++k) {
        logits[k] = static_cast<float>(k % classes); // class 9 wins, then 8, ...
    }
    const std::vector<std::int32_t> labels{9, 8, 5, 4};
    std::vector<std::uint8_t> correct(4, 7);
    const batch_score score = net.evaluate({logits, labels}, correct);
    EXPECT_EQ(score.correct, 1);
    EXPECT_EQ(score.correct_top5, 3);
    EXPECT_EQ(correct, (std::vector<std::uint8_t>{1, 0, 0, 0}));
    double total = 0;
    for (int z = 0; z < classes; ++z) {
        total += std::exp(z);
    }
    EXPECT_NEAR(score.loss, 4 * std::log(total) - (9 + 8 + 5 + 4), 1e-5);
}

TEST(network, diverged_logits_are_never_right) {
    model_spec m({classes, 1, 1});
    m.fully_connected("fc", classes);
    network net(m, 1);
    const std::vector<float> images(classes, std::numeric_limits<float>::quiet_NaN());
    const std::vector<std::int32_t> labels{0};
    const batch_score score = net.evaluate({images, labels});
    EXPECT_EQ(score.correct, 0);
    EXPECT_EQ(score.correct_top5, 0);
    EXPECT_TRUE(std::isnan(score.loss));
}

TEST(network, batches_of_the_wrong_size_are_refused) {
    network net({.max_batch = 4});
    const synthetic_batch batch({1, 28, 28}, 5, classes);
    EXPECT_THROW(train(net, batch.view()), feddip::error);
    EXPECT_THROW(net.evaluate(batch.first(0)), feddip::error);
    EXPECT_THROW(net.evaluate({std::span(batch.images).first(100), std::span(batch.labels).first(1)}),
                 feddip::error);
    EXPECT_NO_THROW(train(net, batch.first(4)));
}

TEST(network, can_be_moved) {
    network net({.max_batch = 4});
    draw_state(net, 1);
    const synthetic_batch batch({1, 28, 28}, 4, classes);
    const double loss = train(net, batch.view()).loss;
    network moved = std::move(net);
    EXPECT_EQ(train(moved, batch.view()).loss, loss);
}

TEST(network, lenet5_learns_a_separable_problem) {
    network net({.max_batch = 64});
    initialize(net.layout(), 3, net.state());
    synthetic_batch batch({1, 28, 28}, 64, classes);
    for (std::size_t i = 0; i < 64; ++i) { // a bright bar at the label's height
        const auto row = 2 * static_cast<std::size_t>(batch.labels[i]) + 3;
        std::fill_n(batch.images.begin() + static_cast<std::ptrdiff_t>(i * 784 + row * 28), 28, 4.0F);
    }
    const std::size_t trainable = net.layout().trainable_size();
    for (int step = 0; step < 150; ++step) {
        train(net, batch.view());
        for (std::size_t k = 0; k < trainable; ++k) {
            net.state()[k] -= 0.1F * net.gradients()[k];
        }
    }
    EXPECT_GE(net.evaluate(batch.view()).correct, 60);
}

} // namespace
} // namespace feddip::nn
