// Every layer's gradients against finite differences of the loss. The layer under test is preceded by one
// with parameters, whose gradients check the gradient of the layer's input.
#include "nn/network.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace feddip::nn {
namespace {

using test::draw_state;
using test::dropout_stream;
using test::synthetic_batch;

constexpr int classes = 5;
constexpr int batch_size = 6;

double mean_loss(network& net, const data::batch& b) {
    random_stream dropout = dropout_stream();
    return net.train(b, dropout).loss / b.size();
}

// The loss is piecewise smooth, and a difference across a kink of ReLU or max pooling says nothing about the
// gradient. So two step sizes must agree before it is compared, and a few of the comparisons may fail.
void expect_gradients_match(const model_spec& model) {
    network net(model, batch_size);
    draw_state(net, 3);
    const synthetic_batch batch(model.shape(0), batch_size, classes);
    mean_loss(net, batch.view());
    const std::vector<float> gradients(net.gradients().begin(), net.gradients().end());

    random_stream random(11, 0, 0, purpose::test);
    for (const parameter& p : net.layout().parameters()) {
        if (!p.trainable()) {
            continue;
        }
        double scale = 0;
        for (std::size_t i = 0; i < p.size; ++i) {
            scale = std::max(scale, std::abs(static_cast<double>(gradients[p.offset + i])));
        }
        constexpr int samples = 40;
        int compared = 0;
        int wrong = 0;
        for (int s = 0; s < samples; ++s) {
            const std::size_t i = p.offset + random.below(static_cast<std::uint32_t>(p.size));
            const float kept = net.state()[i];
            const auto difference = [&](float h) {
                net.state()[i] = kept + h;
                const double up = mean_loss(net, batch.view());
                net.state()[i] = kept - h;
                const double down = mean_loss(net, batch.view());
                net.state()[i] = kept;
                return (up - down) / (2 * static_cast<double>(h));
            };
            const double coarse = difference(2e-3F);
            const double fine = difference(1e-3F);
            const double tolerance = 0.01 * scale + 2e-4;
            if (std::abs(coarse - fine) < tolerance) {
                ++compared;
                wrong += std::abs(gradients[i] - fine) > 2 * tolerance ? 1 : 0;
            }
        }
        EXPECT_GE(compared, samples / 3) << p.name;
        EXPECT_LE(wrong, samples / 8) << p.name;
        EXPECT_GT(scale, 0) << p.name << " has no gradient at all";
    }
}

TEST(gradient, of_fully_connected_layers_matches_finite_differences) {
    model_spec m({3, 4, 4});
    m.fully_connected("fc1", 20);
    m.fully_connected("fc2", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_a_relu_matches_finite_differences) {
    model_spec m({3, 4, 4});
    m.fully_connected("fc1", 20);
    m.relu();
    m.fully_connected("fc2", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_convolutions_with_few_channels_matches_finite_differences) {
    model_spec m({1, 9, 9});
    m.convolution("conv1", {.outputs = 6, .kernel = 5, .padding = 2});
    m.relu();
    m.convolution("conv2", {.outputs = 10, .kernel = 3});
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_convolutions_with_many_channels_matches_finite_differences) {
    model_spec m({3, 8, 8});
    m.convolution("conv1", {.outputs = 32, .kernel = 3, .padding = 1});
    m.convolution("conv2", {.outputs = 16, .kernel = 3, .padding = 1});
    m.relu();
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_a_convolution_from_one_channel_to_many_matches_finite_differences) {
    model_spec m({1, 8, 8});
    m.convolution("conv1", {.outputs = 16, .kernel = 3, .padding = 1});
    m.relu();
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_strided_convolutions_matches_finite_differences) {
    model_spec m({3, 9, 9});
    m.convolution("conv1", {.outputs = 16, .kernel = 3, .stride = 2, .padding = 1});
    m.convolution("conv2", {.outputs = 32, .kernel = 1, .stride = 2, .bias = false});
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

// Few channels, which oneDNN would write past the end of.
TEST(gradient, of_strided_shortcuts_of_few_channels_matches_finite_differences) {
    for (const int channels : {1, 2, 3, 4, 6, 7}) {
        SCOPED_TRACE(channels);
        model_spec m({3, 9, 9});
        m.convolution("conv1", {.outputs = channels, .kernel = 3, .padding = 1});
        m.convolution("shortcut", {.outputs = 10, .kernel = 1, .stride = 2, .bias = false});
        m.fully_connected("fc", classes);
        expect_gradients_match(m);
    }
}

TEST(gradient, of_wide_max_pooling_matches_finite_differences) {
    model_spec m({1, 15, 15});
    m.convolution("conv1", {.outputs = 6, .kernel = 3, .padding = 1});
    m.max_pool(15);
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_max_pooling_matches_finite_differences) {
    model_spec m({1, 10, 10});
    m.convolution("conv1", {.outputs = 6, .kernel = 3, .padding = 1});
    m.max_pool(2);
    m.convolution("conv2", {.outputs = 16, .kernel = 3, .padding = 1});
    m.max_pool(2);
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_relu_before_max_pooling_matches_finite_differences) {
    model_spec m({1, 12, 12});
    m.convolution("conv1", {.outputs = 6, .kernel = 3, .padding = 1});
    m.relu();
    m.max_pool(2);
    m.convolution("conv2", {.outputs = 16, .kernel = 3, .padding = 1});
    m.relu();
    m.max_pool(3);
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_batch_norm_matches_finite_differences) {
    model_spec m({3, 6, 6});
    m.convolution("conv1", {.outputs = 16, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn1");
    m.convolution("conv2", {.outputs = 16, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn2");
    m.relu();
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_group_norm_matches_finite_differences) {
    model_spec m({3, 6, 6});
    m.convolution("conv1", {.outputs = 16, .kernel = 3, .padding = 1, .bias = false});
    m.group_norm("gn1", 4);
    m.convolution("conv2", {.outputs = 6, .kernel = 3, .padding = 1, .bias = false});
    m.group_norm("gn2", 1);
    m.relu();
    m.max_pool(2);
    m.fully_connected("fc1", 20);
    m.group_norm("gn3", 5);
    m.relu();
    m.fully_connected("fc2", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_batch_norm_after_a_fully_connected_layer_matches_finite_differences) {
    model_spec m({3, 4, 4});
    m.fully_connected("fc1", 20);
    m.batch_norm("bn1");
    m.relu();
    m.fully_connected("fc2", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_global_average_pooling_matches_finite_differences) {
    model_spec m({3, 4, 4});
    m.convolution("conv1", {.outputs = 16, .kernel = 3, .padding = 1});
    m.relu();
    m.global_average_pool();
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_dropout_matches_finite_differences) {
    model_spec m({3, 4, 4});
    m.convolution("conv1", {.outputs = 16, .kernel = 3, .padding = 1});
    m.relu();
    m.max_pool(2);
    m.dropout(0.5F);
    m.fully_connected("fc1", 40);
    m.relu();
    m.dropout(0.25F);
    m.fully_connected("fc2", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_a_residual_block_matches_finite_differences) {
    model_spec m({3, 6, 6});
    const int input = m.convolution("conv1", {.outputs = 16, .kernel = 3, .padding = 1});
    m.convolution("conv2", {.outputs = 16, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn2");
    m.add(input);
    m.relu();
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

TEST(gradient, of_a_residual_block_with_a_shortcut_convolution_matches_finite_differences) {
    model_spec m({3, 6, 6});
    m.convolution("conv1", {.outputs = 16, .kernel = 3, .padding = 1});
    const int input = m.relu();
    m.convolution("conv2", {.outputs = 32, .kernel = 3, .stride = 2, .padding = 1, .bias = false});
    const int residual = m.batch_norm("bn2");
    m.convolution("shortcut", {.outputs = 32, .kernel = 1, .stride = 2, .bias = false}, input);
    m.batch_norm("shortcut_bn");
    m.add(residual);
    m.relu();
    m.global_average_pool();
    m.fully_connected("fc", classes);
    expect_gradients_match(m);
}

} // namespace
} // namespace feddip::nn
