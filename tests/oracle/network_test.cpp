// Losses, gradients, running statistics and a client's whole local training against PyTorch.
#include "config/config.hpp"
#include "nn/models/alexnet.hpp"
#include "nn/models/lenet5.hpp"
#include "nn/models/registry.hpp"
#include "nn/models/resnet18.hpp"
#include "nn/models/resnet50.hpp"
#include "nn/models/vgg11.hpp"
#include "nn/network.hpp"
#include "nn/sgd.hpp"
#include "oracle/golden.hpp"
#include "sparse/mask.hpp"

#include <gtest/gtest.h>

namespace feddip {
namespace {

using oracle::digest;
using oracle::drawn_batch;

void expect_loss(const std::string& name, double loss, const std::map<std::string, digest>& golden,
                 double tolerance) {
    EXPECT_NEAR(loss, golden.at(name).norm, tolerance * golden.at(name).norm) << name;
}

void expect_network_matches(const std::string& label, const nn::model_spec& model, int batch_size,
                            int classes, double of_gradients = 1e-4) {
    constexpr double tolerance = 1e-4;
    const auto golden = oracle::read_golden(label);
    nn::network net(model, batch_size);
    oracle::draw_state(net.layout(), net.state());
    const drawn_batch batch(label, batch_size, model.shape(0), classes);

    random_stream unused(0, 0, 0, purpose::dropout);
    const double evaluation_loss = net.evaluate(batch.view()).loss / batch_size;
    const double training_loss = net.train(batch.view(), unused).loss / batch_size;

    expect_loss("evaluation_loss", evaluation_loss, golden, tolerance);
    expect_loss("training_loss", training_loss, golden, tolerance);
    for (const parameter& p : net.layout().parameters()) {
        const std::span<const float> values =
            p.trainable() ? net.gradients().subspan(p.offset, p.size) : net.state().subspan(p.offset, p.size);
        oracle::expect_close(p.name, values, golden.at(p.name), p.trainable() ? of_gradients : tolerance);
    }
    EXPECT_EQ(golden.size(), net.layout().parameters().size() + 2);
}

TEST(oracle, lenet5_computes_what_pytorch_computes) {
    expect_network_matches("lenet5", nn::lenet5({1, 28, 28}, 10), 16, 10);
}

TEST(oracle, alexnet_without_dropout_computes_what_pytorch_computes) {
    expect_network_matches("alexnet", nn::alexnet({3, 32, 32}, 10, 0.0F), 6, 10);
}

TEST(oracle, vgg11_without_dropout_computes_what_pytorch_computes) {
    expect_network_matches("vgg11", nn::vgg11({3, 32, 32}, 10, 0.0F), 4, 10);
}

TEST(oracle, resnet18_with_group_norms_computes_what_pytorch_computes) {
    expect_network_matches("resnet18_group", nn::resnet18({3, 32, 32}, 100, config::norm_kind::group), 4,
                           100);
}

TEST(oracle, resnet18_computes_what_pytorch_computes) {
    expect_network_matches("resnet18", nn::resnet18({3, 32, 32}, 100), 4, 100);
}

TEST(oracle, resnet50_computes_what_pytorch_computes) {
    // Some inputs of its ReLUs are within 1e-8 of 0, where rounding decides the gradient: images changed by
    // 3e-6 change PyTorch's gradients by 2e-3, those changed by 1e-6 by 2e-6.
    expect_network_matches("resnet50", nn::resnet50({3, 32, 32}, 100), 4, 100, 1e-2);
}

TEST(oracle, a_network_in_words_computes_what_pytorch_computes) {
    const auto config = config::parse(R"(
[model]
name = "custom"
[[model.layers]]
kind = "convolution"
name = "stem"
outputs = 8
kernel = 3
padding = 1
bias = false
[[model.layers]]
kind = "batch_norm"
name = "norm"
[[model.layers]]
kind = "relu"
name = "start"
[[model.layers]]
kind = "convolution"
name = "inner"
outputs = 8
kernel = 3
padding = 1
[[model.layers]]
kind = "add"
with = "start"
[[model.layers]]
kind = "relu"
name = "fork"
[[model.layers]]
kind = "convolution"
name = "side"
outputs = 12
stride = 2
[[model.layers]]
kind = "convolution"
name = "wide"
from = "fork"
outputs = 12
kernel = 5
stride = 2
padding = 2
[[model.layers]]
kind = "add"
with = "side"
[[model.layers]]
kind = "relu"
[[model.layers]]
kind = "max_pool"
window = 3
[[model.layers]]
kind = "fully_connected"
name = "head"
outputs = 20
[[model.layers]]
kind = "relu"
[[model.layers]]
kind = "fully_connected"
name = "last"
)",
                                      "test", {});
    const auto model = nn::model_of(config.model, {3, 19, 19}, 5);
    expect_network_matches("custom", model, 7, 5);
    EXPECT_EQ(config::parse(config::to_toml(config), "again", {}), config);
}

sparse::mask drawn_mask(const parameter_layout& layout, double density) {
    sparse::mask m(layout.prunable_size(), false);
    for (const parameter& p : layout.weights()) {
        const std::vector<double> u = oracle::uniform(p.name + ".mask", p.size);
        for (std::size_t i = 0; i < p.size; ++i) {
            m.set(p.offset + i, u[i] < density);
        }
    }
    return m;
}

TEST(oracle, a_client_of_feddip_trains_as_in_pytorch) {
    constexpr int steps = 12;
    constexpr int batch_size = 16;
    constexpr double tolerance = 1e-3;
    const auto golden = oracle::read_golden("local_training");
    nn::network net({.model = config::model_name::lenet5, .max_batch = batch_size});
    const parameter_layout& layout = net.layout();
    oracle::draw_state(layout, net.state());
    const sparse::mask mask = drawn_mask(layout, 0.3);
    const std::vector<float> start(net.state().begin(), net.state().end());
    std::vector<float> dense = start;
    sparse::apply(mask, net.state().first(layout.prunable_size()));
    net.use_mask(&mask, nn::gradient_scope::all);

    random_stream unused(0, 0, 0, purpose::dropout);
    const nn::sgd_settings settings{.learning_rate = 0.1F, .weight_decay = 5e-4F, .regularization = 1e-3F};
    for (int step = 0; step < steps; ++step) {
        const drawn_batch batch("local" + std::to_string(step), batch_size, {1, 28, 28}, 10);
        const double loss = net.train(batch.view(), unused).loss / batch_size;
        expect_loss("loss" + std::to_string(step), loss, golden, tolerance);
        nn::sgd_step_dense(layout, settings, &mask, net.gradients(), dense,
                           net.state().first(layout.trainable_size()));
    }

    for (const parameter& p : layout.parameters()) {
        std::vector<float> change(p.size);
        for (std::size_t i = 0; i < p.size; ++i) {
            change[i] = dense[p.offset + i] - start[p.offset + i];
        }
        oracle::expect_close(p.name, change, golden.at(p.name), tolerance);
    }
}

} // namespace
} // namespace feddip
