// The sparse kernels against oneDNN, on whole networks.
#include "nn/kernel_choice.hpp"
#include "nn/models/model.hpp"
#include "nn/models/registry.hpp"
#include "nn/network.hpp"
#include "nn/sgd.hpp"
#include "sparse/start.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

namespace feddip::nn {
namespace {

using config::kernel_kind;
using config::model_name;
using test::draw_state;
using test::dropout_stream;
using test::synthetic_batch;

constexpr int classes = 10;

network_options options_of(model_name model, int max_batch, kernel_kind kernels) {
    const data::image_shape input =
        model == model_name::lenet5 ? data::image_shape{1, 28, 28} : data::image_shape{3, 32, 32};
    return {.model = model, .input = input, .classes = classes, .max_batch = max_batch, .kernels = kernels};
}

sparse::mask mask_of(const parameter_layout& layout, const std::vector<double>& densities,
                     std::uint32_t seed = 1) {
    random_stream random(seed, 0, 0, purpose::test);
    return sparse::random_mask(layout, densities, random);
}

// The state that both networks start from: zero where the mask says pruned. Normalized values are kept away
// from 0, for there a rounding error decides whether a ReLU lets a gradient through: in ResNet-18 changing
// the images by 1e-7 changes dense gradients by 2e-3. Residuals' norms get a positive shift, so that their
// sums stay away from 0 too.
void draw_masked_state(network& net, const sparse::mask& m) {
    draw_state(net, 1);
    sparse::apply(m, net.state().first(m.size()));
    for (const parameter& p : net.layout().parameters()) {
        if (p.what == role::norm_shift) {
            const bool residual = !p.name.ends_with("bn1.bias");
            for (std::size_t i = 0; i < p.size; ++i) {
                net.state()[p.offset + i] = residual || i % 3 != 0 ? 4.0F : -4.0F;
            }
        }
    }
}

double relative_distance(std::span<const float> a, std::span<const float> b) {
    double difference = 0;
    double size = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
        size += std::pow(static_cast<double>(b[i]), 2);
    }
    return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

// Gradients of the pruned weights are left out: they may hold anything.
void append_alive_gradients(const network& net, const parameter& p, const sparse::mask& m,
                            std::vector<float>& to) {
    for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
        if (!p.prunable() || m[i]) {
            to.push_back(net.gradients()[i]);
        }
    }
}

// All together, and tensor by tensor; less exactly in networks with batch normalization, which lets gradients
// cancel to almost 0.
void expect_same_gradients(const network& sparse, const network& dense, const sparse::mask& m) {
    std::vector<float> all_sparse;
    std::vector<float> all_dense;
    const bool cancels = dense.layout().parameters().back().what == role::running_variance;
    for (const parameter& p : dense.layout().parameters()) {
        std::vector<float> a;
        std::vector<float> b;
        if (p.trainable()) {
            append_alive_gradients(sparse, p, m, a);
            append_alive_gradients(dense, p, m, b);
        }
        if (p.what == role::weight || p.what == role::bias) {
            EXPECT_LT(relative_distance(a, b), cancels ? 1e-3 : 1e-4) << p.name;
        }
        all_sparse.insert(all_sparse.end(), a.begin(), a.end());
        all_dense.insert(all_dense.end(), b.begin(), b.end());
    }
    EXPECT_LT(relative_distance(all_sparse, all_dense), 1e-4);
}

void expect_same_running_statistics(network& sparse, network& dense) {
    const std::size_t first = dense.layout().trainable_size();
    EXPECT_LT(relative_distance(sparse.state().subspan(first), dense.state().subspan(first)), 1e-4);
}

std::pair<batch_score, batch_score> take_step(network& sparse, network& dense, const sparse::mask& m,
                                              const data::batch& batch) {
    draw_masked_state(sparse, m);
    draw_masked_state(dense, m);
    random_stream one = dropout_stream();
    random_stream other = dropout_stream();
    const batch_score a = sparse.train(batch, one);
    return {a, dense.train(batch, other)};
}

// `compared`: the weights whose gradients must agree.
void expect_same_step(network& sparse, network& dense, const sparse::mask& m, const data::batch& batch,
                      const sparse::mask& compared) {
    const auto [a, b] = take_step(sparse, dense, m, batch);
    EXPECT_NEAR(a.loss, b.loss, 1e-4 * std::abs(b.loss));
    expect_same_gradients(sparse, dense, compared);
    expect_same_running_statistics(sparse, dense);
}

void expect_same_step(network& sparse, network& dense, const sparse::mask& m, const data::batch& batch) {
    expect_same_step(sparse, dense, m, batch, m);
}

void expect_same_scores(network& sparse, network& dense, const sparse::mask& m, const data::batch& batch) {
    draw_masked_state(sparse, m);
    draw_masked_state(dense, m);
    const batch_score a = sparse.evaluate(batch);
    const batch_score b = dense.evaluate(batch);
    EXPECT_NEAR(a.loss, b.loss, 1e-4 * std::abs(b.loss));
    EXPECT_EQ(a.correct, b.correct);
    EXPECT_EQ(a.correct_top5, b.correct_top5);
}

struct model_case {
    model_name model;
    const char* name;
    int batch;
};

class sparse_path : public testing::TestWithParam<model_case> {
protected:
    network sparse_{options_of(GetParam().model, GetParam().batch, kernel_kind::sparse)};
    network dense_{options_of(GetParam().model, GetParam().batch, kernel_kind::dense)};
    synthetic_batch batch_{options_of(GetParam().model, 1, kernel_kind::dense).input, GetParam().batch,
                           classes};

    std::vector<double> uniform(double density) const {
        return std::vector<double>(dense_.layout().weights().size(), density);
    }
    // In a rare image a rounding error decides a ReLU, or which pixel of a window is the largest, and its
    // gradient takes another way on the other path. It does so when it is alone, too.
    synthetic_batch without_ties(const sparse::mask& m) {
        synthetic_batch kept = batch_;
        const auto size = batch_.images.size() / batch_.labels.size();
        for (std::size_t i = batch_.labels.size(); i-- > 0 && differs(m, kept.view());) {
            const auto image = std::span(batch_.images).subspan(i * size, size);
            if (differs(m, {image, std::span(batch_.labels).subspan(i, 1)})) {
                const auto at = kept.images.begin() + static_cast<std::ptrdiff_t>(i * size);
                kept.images.erase(at, at + static_cast<std::ptrdiff_t>(size));
                kept.labels.erase(kept.labels.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        EXPECT_LE(batch_.labels.size() - kept.labels.size(), 1U) << "such images are rare";
        return kept;
    }
    bool differs(const sparse::mask& m, const data::batch& batch) {
        take_step(sparse_, dense_, m, batch);
        return std::ranges::any_of(dense_.layout().weights(), [&](const parameter& p) {
            std::vector<float> a, b;
            append_alive_gradients(sparse_, p, m, a);
            append_alive_gradients(dense_, p, m, b);
            return relative_distance(a, b) > 1e-3;
        });
    }
    void use(const sparse::mask& m) {
        sparse_.use_mask(&m, gradient_scope::on_mask);
        dense_.use_mask(&m, gradient_scope::on_mask);
        ASSERT_EQ(sparse_.path(), kernel_path::sparse);
        ASSERT_EQ(dense_.path(), kernel_path::dense);
    }
};

TEST_P(sparse_path, takes_the_step_of_the_dense_path) {
    const sparse::mask m = mask_of(dense_.layout(), sparse::erk_densities(dense_.layout(), 0.9));
    use(m);
    expect_same_step(sparse_, dense_, m, without_ties(m).view());
}

TEST_P(sparse_path, scores_as_the_dense_path_does) {
    const sparse::mask m = mask_of(dense_.layout(), uniform(0.2));
    use(m);
    expect_same_scores(sparse_, dense_, m, batch_.view());
    expect_same_scores(sparse_, dense_, m, batch_.first(GetParam().batch - 1));
}

TEST_P(sparse_path, handles_layers_wholly_pruned_and_wholly_alive_and_a_smaller_batch) {
    std::vector<double> densities = uniform(0.05);
    densities[1] = 1.0;
    const sparse::mask alive = mask_of(dense_.layout(), densities);
    use(alive);
    expect_same_step(sparse_, dense_, alive, batch_.first(GetParam().batch - 5));

    densities[densities.size() - 2] = 0.0;
    const sparse::mask pruned = mask_of(dense_.layout(), densities);
    use(pruned);
    expect_same_step(sparse_, dense_, pruned, batch_.first(5));
}

TEST_P(sparse_path, gives_all_gradients_where_they_are_wanted) {
    const sparse::mask m = mask_of(dense_.layout(), sparse::erk_densities(dense_.layout(), 0.8));
    const sparse::mask all(m.size(), true);
    use(m);
    expect_same_step(sparse_, dense_, m, batch_.view());
    sparse_.use_mask(&m, gradient_scope::all);
    ASSERT_EQ(sparse_.path(), kernel_path::sparse);
    expect_same_step(sparse_, dense_, m, batch_.view(), all);
    expect_same_step(sparse_, dense_, m, batch_.first(3), all);
    use(m);
    expect_same_step(sparse_, dense_, m, batch_.view());
}

INSTANTIATE_TEST_SUITE_P(models, sparse_path,
                         testing::Values(model_case{model_name::lenet5, "lenet5", 37},
                                         model_case{model_name::alexnet, "alexnet", 18},
                                         model_case{model_name::resnet18, "resnet18", 18}),
                         [](const auto& parameter_info) { return std::string(parameter_info.param.name); });

model_spec small_network() {
    model_spec m({3, 12, 12});
    m.convolution("conv1", {.outputs = 8, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn1");
    const int input = m.relu();
    m.convolution("conv2", {.outputs = 8, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn2");
    m.add(input);
    m.relu();
    m.max_pool(3); // the kernels in blocks have only windows of 2
    m.dropout(0.5F);
    m.fully_connected("fc", classes);
    return m;
}

model_spec small_network_of_group_norms() {
    model_spec m({3, 12, 12});
    m.convolution("conv1", {.outputs = 8, .kernel = 3, .padding = 1, .bias = false});
    m.group_norm("gn1", 4);
    const int input = m.relu();
    m.convolution("conv2", {.outputs = 8, .kernel = 3, .padding = 1, .bias = false});
    m.group_norm("gn2", 2);
    m.add(input);
    m.relu();
    m.max_pool(2);
    m.fully_connected("fc", classes);
    return m;
}

TEST(sparse_network, adds_twice_behind_a_norm) {
    model_spec m({3, 8, 8});
    m.convolution("conv1", {.outputs = 8, .kernel = 3, .padding = 1});
    const int first = m.relu();
    m.convolution("conv2", {.outputs = 8, .kernel = 3, .padding = 1});
    const int second = m.relu();
    m.convolution("conv3", {.outputs = 8, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn");
    m.add(first);
    m.add(second);
    m.relu();
    m.fully_connected("fc", classes);
    network sparse(m, 20, kernel_kind::sparse);
    network dense(m, 20, kernel_kind::dense);
    const synthetic_batch batch({3, 8, 8}, 20, classes);
    const sparse::mask some = mask_of(dense.layout(), {0.5, 0.5, 0.5, 0.5});
    sparse.use_mask(&some, gradient_scope::on_mask);
    expect_same_step(sparse, dense, some, batch.view());
    expect_same_scores(sparse, dense, some, batch.view());
}

TEST(sparse_network, with_group_norms_takes_the_step_of_the_dense_path) {
    network sparse(small_network_of_group_norms(), 20, kernel_kind::sparse);
    network dense(small_network_of_group_norms(), 20, kernel_kind::dense);
    const synthetic_batch batch({3, 12, 12}, 20, classes);
    const sparse::mask m = mask_of(dense.layout(), {0.5, 0.3, 0.4});
    sparse.use_mask(&m, gradient_scope::on_mask);
    expect_same_step(sparse, dense, m, batch.view());
    expect_same_step(sparse, dense, m, batch.first(3));
    expect_same_scores(sparse, dense, m, batch.first(17));
}

TEST(sparse_network, has_the_running_statistics_of_vectors_that_the_dense_path_has) {
    model_spec m({3, 4, 4});
    m.fully_connected("fc1", 12);
    m.batch_norm("bn1");
    m.relu();
    m.fully_connected("fc2", classes);
    network sparse(m, 20, kernel_kind::sparse);
    network dense(m, 20, kernel_kind::dense);
    const synthetic_batch batch({3, 4, 4}, 20, classes);
    const sparse::mask half = mask_of(dense.layout(), {0.5, 0.5});
    sparse.use_mask(&half, gradient_scope::on_mask);
    for (const int size : {20, 3}) {
        // Gradients are not compared: that of a bias before a norm is 0 but for rounding.
        const auto [a, b] = take_step(sparse, dense, half, batch.first(size));
        EXPECT_NEAR(a.loss, b.loss, 1e-4 * std::abs(b.loss));
        expect_same_running_statistics(sparse, dense);
    }
}

TEST(sparse_network, mixes_with_layers_that_have_no_kernels_in_blocks) {
    network sparse(small_network(), 20, kernel_kind::sparse);
    network dense(small_network(), 20, kernel_kind::dense);
    const synthetic_batch batch({3, 12, 12}, 20, classes);
    const sparse::mask m = mask_of(dense.layout(), {0.5, 0.3, 0.4});
    sparse.use_mask(&m, gradient_scope::on_mask);
    expect_same_step(sparse, dense, m, batch.view());
    expect_same_step(sparse, dense, m, batch.first(3));
    expect_same_scores(sparse, dense, m, batch.first(17));
}

// oneDNN computes conv1 and conv2 in it, where these are dense and the rest is sparse; bn3 adds a value that
// was made before the change.
model_spec network_with_a_dense_beginning() {
    model_spec m({3, 12, 12});
    m.convolution("conv1", {.outputs = 64, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn1");
    const int first = m.relu();
    m.convolution("conv2", {.outputs = 64, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn2");
    m.relu();
    m.convolution("conv3", {.outputs = 64, .kernel = 3, .padding = 1, .bias = false});
    m.batch_norm("bn3");
    m.add(first);
    m.relu();
    m.max_pool(2);
    m.fully_connected("fc", classes);
    return m;
}

class dense_beginning : public testing::Test {
protected:
    network mixed_{network_with_a_dense_beginning(), 20, kernel_kind::automatic};
    network dense_{network_with_a_dense_beginning(), 20, kernel_kind::dense};
    synthetic_batch batch_{{3, 12, 12}, 20, classes};
    sparse::mask m_ = mask_of(dense_.layout(), {0.9, 0.9, 0.05, 0.1});

    bool has_gradients_of_pruned_weights(const char* tensor) {
        const parameter& p = mixed_.layout().named(tensor);
        for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
            if (!m_[i] && mixed_.gradients()[i] != 0) {
                return true;
            }
        }
        return false;
    }
};

TEST_F(dense_beginning, takes_the_step_of_the_dense_path) {
    mixed_.use_mask(&m_, gradient_scope::on_mask);
    ASSERT_EQ(mixed_.path(), kernel_path::sparse);
    expect_same_step(mixed_, dense_, m_, batch_.view());
    EXPECT_TRUE(has_gradients_of_pruned_weights("conv2.weight")) << "which oneDNN makes";
    EXPECT_FALSE(has_gradients_of_pruned_weights("conv3.weight")) << "which the sparse kernels don't";
    expect_same_step(mixed_, dense_, m_, batch_.first(3));
    expect_same_scores(mixed_, dense_, m_, batch_.first(17));
}

TEST_F(dense_beginning, gives_all_gradients_where_they_are_wanted) {
    const sparse::mask all(m_.size(), true);
    mixed_.use_mask(&m_, gradient_scope::all);
    ASSERT_EQ(mixed_.path(), kernel_path::sparse);
    expect_same_step(mixed_, dense_, m_, batch_.view(), all);
    mixed_.use_mask(&m_, gradient_scope::on_mask);
    expect_same_step(mixed_, dense_, m_, batch_.view());
}

TEST_F(dense_beginning, updates_packed_and_unpacked_weights) {
    mixed_.use_mask(&m_, gradient_scope::on_mask);
    dense_.use_mask(&m_, gradient_scope::on_mask);
    draw_masked_state(mixed_, m_);
    draw_masked_state(dense_, m_);
    random_stream one = dropout_stream(), other = dropout_stream();
    const sgd_settings settings{.learning_rate = 0.01F, .weight_decay = 5e-4F, .regularization = 1e-2F};
    for (int i = 0; i < 3; ++i) {
        mixed_.train(batch_.view(), one);
        mixed_.step_on_mask(settings, m_);
        dense_.train(batch_.view(), other);
        dense_.step_on_mask(settings, m_);
    }
    const auto trained = mixed_.layout().trainable_size();
    EXPECT_LT(relative_distance(mixed_.state().first(trained), dense_.state().first(trained)), 1e-4);
    for (std::size_t i = 0; i < m_.size(); ++i) {
        ASSERT_TRUE(m_[i] || mixed_.state()[i] == 0.0F) << i;
    }
}

struct step_bits {
    double loss;
    std::vector<float> gradients, state;
    bool operator==(const step_bits&) const = default;
};

step_bits step(network& net, const sparse::mask& m, const data::batch& batch) {
    draw_masked_state(net, m);
    random_stream dropout = dropout_stream();
    const double loss = net.train(batch, dropout).loss;
    std::vector<float> gradients;
    for (std::size_t i = 0; i < net.gradients().size(); ++i) {
        if (i >= m.size() || m[i]) {
            gradients.push_back(net.gradients()[i]);
        }
    }
    return {loss, std::move(gradients), {net.state().begin(), net.state().end()}};
}

TEST(sparse_network, gives_the_same_bits_whatever_ran_before) {
    const synthetic_batch batch({3, 12, 12}, 20, classes);
    network fresh(small_network(), 20, kernel_kind::sparse);
    network used(small_network(), 20, kernel_kind::sparse);
    const sparse::mask m = mask_of(fresh.layout(), {0.5, 0.3, 0.4});
    const sparse::mask other = mask_of(fresh.layout(), {0.9, 0.1, 0.2}, 2);
    fresh.use_mask(&m, gradient_scope::on_mask);
    const step_bits expected = step(fresh, m, batch.view());

    used.use_mask(&other, gradient_scope::on_mask);
    step(used, other, batch.view());
    used.use_mask(&other, gradient_scope::all);
    step(used, other, batch.first(7));
    used.use_mask(nullptr, gradient_scope::on_mask);
    used.evaluate(batch.first(11));
    for (int repeat = 0; repeat < 2; ++repeat) {
        const sparse::mask equal = m; // the caller's mask may lie elsewhere each time
        used.use_mask(&equal, gradient_scope::on_mask);
        EXPECT_EQ(step(used, m, batch.view()), expected);
        EXPECT_EQ(step(used, m, batch.view()), expected);
    }
}

TEST(sparse_network, leaves_the_gradients_of_pruned_weights_alone) {
    const synthetic_batch batch({3, 12, 12}, 16, classes);
    network net(small_network(), 16, kernel_kind::sparse);
    const sparse::mask m = mask_of(net.layout(), {0.5, 0.3, 0.4});
    net.use_mask(&m, gradient_scope::on_mask);
    step(net, m, batch.view());
    for (std::size_t i = 0; i < m.size(); ++i) {
        if (!m[i]) {
            ASSERT_EQ(net.gradients()[i], 0.0F) << i;
        }
    }
}

// One step of the network's own update and one of sgd_step_on_mask, each after a training step of its own.
TEST(sparse_network, updates_weights_as_sgd_step_on_mask_does) {
    const synthetic_batch batch({3, 12, 12}, 20, classes);
    using setting = std::pair<kernel_kind, bool>;
    for (const auto& [kernels, spares_ends] :
         {setting(kernel_kind::sparse, false), setting(kernel_kind::sparse, true),
          setting(kernel_kind::dense, false)}) {
        const sgd_settings settings{.learning_rate = 0.1F,
                                    .weight_decay = 5e-3F,
                                    .regularization = 1e-2F,
                                    .spares_ends = spares_ends};
        network own(small_network(), 20, kernels);
        network flat(small_network(), 20, kernels);
        const parameter_layout& layout = own.layout();
        const sparse::mask m = mask_of(layout, {0.5, 0.3, 0.4});
        for (network* net : {&own, &flat}) {
            draw_masked_state(*net, m);
            net->use_mask(&m, gradient_scope::on_mask);
        }
        random_stream one = dropout_stream();
        random_stream other = dropout_stream();
        for (int i = 0; i < 3; ++i) {
            EXPECT_FLOAT_EQ(static_cast<float>(own.train(batch.view(), one).loss),
                            static_cast<float>(flat.train(batch.view(), other).loss));
            own.step_on_mask(settings, m);
            sgd_step_on_mask(layout, settings, m, flat.gradients(),
                             flat.state().first(layout.trainable_size()));
        }
        EXPECT_LT(relative_distance(own.state(), flat.state()), 1e-6);
    }
}

TEST(sparse_network, trains_lenet5_to_a_lower_loss) {
    network net(options_of(model_name::lenet5, 48, kernel_kind::sparse));
    synthetic_batch batch({1, 28, 28}, 48, classes);
    for (std::size_t i = 0; i < 48; ++i) { // a bright bar at the label's height
        const auto row = 2 * static_cast<std::size_t>(batch.labels[i]) + 3;
        std::fill_n(batch.images.begin() + static_cast<std::ptrdiff_t>(i * 784 + row * 28), 28, 4.0F);
    }
    const sparse::mask m = mask_of(net.layout(), sparse::erk_densities(net.layout(), 0.5));
    draw_masked_state(net, m);
    net.use_mask(&m, gradient_scope::on_mask);
    const double before = net.evaluate(batch.view()).loss;
    random_stream dropout = dropout_stream();
    const sgd_settings settings{.learning_rate = 0.1F, .weight_decay = 5e-4F, .regularization = 0.0F};
    for (int i = 0; i < 200; ++i) {
        net.train(batch.view(), dropout);
        net.step_on_mask(settings, m);
    }
    EXPECT_LT(net.evaluate(batch.view()).loss, 0.5 * before);
    for (std::size_t i = 0; i < m.size(); ++i) {
        ASSERT_TRUE(m[i] || net.state()[i] == 0.0F) << i;
    }
}

TEST(kernel_choice, follows_the_density) {
    network net(options_of(model_name::alexnet, 16, kernel_kind::automatic));
    const std::size_t tensors = net.layout().weights().size();
    const sparse::mask sparse = mask_of(net.layout(), std::vector<double>(tensors, 0.02));
    const sparse::mask dense = mask_of(net.layout(), std::vector<double>(tensors, 0.9));
    net.use_mask(&sparse, gradient_scope::on_mask);
    EXPECT_EQ(net.path(), kernel_path::sparse);
    net.use_mask(&dense, gradient_scope::on_mask);
    EXPECT_EQ(net.path(), kernel_path::dense);
    net.use_mask(&sparse, gradient_scope::all);
    EXPECT_EQ(net.path(), kernel_path::sparse);
    net.use_mask(&dense, gradient_scope::all);
    EXPECT_EQ(net.path(), kernel_path::dense);
    net.use_mask(nullptr, gradient_scope::all);
    EXPECT_EQ(net.path(), kernel_path::dense);
}

// Where sparse kernels are asked for, too: README.md says so.
TEST(kernel_choice, is_the_faster_path_where_there_is_no_mask) {
    model_spec connected({3, 12, 12});
    connected.fully_connected("fc1", 64);
    connected.relu();
    connected.fully_connected("fc2", classes);
    for (const auto kernels : {kernel_kind::automatic, kernel_kind::sparse}) {
        network net(connected, 16, kernels);
        EXPECT_EQ(net.path(), kernel_path::dense);
        const sparse::mask m = mask_of(net.layout(), {0.9, 0.9});
        net.use_mask(&m, gradient_scope::on_mask);
        EXPECT_EQ(net.path(), kernels == kernel_kind::sparse ? kernel_path::sparse : kernel_path::dense);
        net.use_mask(nullptr, gradient_scope::all);
        EXPECT_EQ(net.path(), kernel_path::dense);
        EXPECT_EQ(network(options_of(model_name::lenet5, 16, kernels)).path(), kernel_path::sparse);
    }
}

TEST(kernel_choice, changes_at_the_switching_density) {
    for (const auto model : {model_name::alexnet, model_name::resnet18}) {
        network net(options_of(model, 16, kernel_kind::automatic));
        const auto spec = model_of(model, {3, 32, 32}, classes);
        const auto layers = fuse_additions(fuse(spec));
        const double density = switching_density(work_of(layers, {3, 32, 32}, net.layout(), nullptr),
                                                 config::precision_kind::f32);
        EXPECT_GT(density, 0.3);
        EXPECT_LT(density, 0.8);
        for (const double side : {0.98, 1.02}) {
            const sparse::mask m =
                mask_of(net.layout(), std::vector<double>(net.layout().weights().size(), side * density));
            const auto cost = estimate(work_of(layers, {3, 32, 32}, net.layout(), &m),
                                       gradient_scope::on_mask, config::precision_kind::f32);
            EXPECT_EQ(prefers_sparse(cost), side < 1) << side * density;
        }
    }
}

std::size_t first_sparse_layer_of(model_name model, double density, gradient_scope scope) {
    const auto options = options_of(model, 16, kernel_kind::automatic);
    const auto spec = model_of(options.model, options.input, options.classes);
    const auto layers = fuse(spec);
    const sparse::mask m = mask_of(spec.layout(), sparse::erk_densities(spec.layout(), 1 - density));
    return first_sparse_layer(work_of(layers, options.input, spec.layout(), &m), layers.size(), scope,
                              config::precision_kind::f32);
}

TEST(kernel_choice, has_onednn_begin_where_early_layers_stay_dense) {
    EXPECT_EQ(first_sparse_layer_of(model_name::resnet18, 0.05, gradient_scope::on_mask), 0);
    const auto fifth = first_sparse_layer_of(model_name::resnet18, 0.2, gradient_scope::on_mask);
    const auto third = first_sparse_layer_of(model_name::resnet18, 0.33, gradient_scope::on_mask);
    const auto all = first_sparse_layer_of(model_name::resnet18, 0.95, gradient_scope::on_mask);
    EXPECT_GT(fifth, 0);
    EXPECT_GT(third, fifth);
    EXPECT_GT(all, third);
    EXPECT_EQ(all, fuse(model_of(model_name::resnet18, {3, 32, 32}, classes)).size());
}

// Recorded runs would have other bits.
TEST(kernel_choice, never_cuts_lenet5_in_two) {
    for (const auto scope : {gradient_scope::on_mask, gradient_scope::all}) {
        for (int percent = 1; percent <= 100; ++percent) {
            EXPECT_EQ(first_sparse_layer_of(model_name::lenet5, percent / 100.0, scope), 0) << percent;
        }
    }
}

TEST(kernel_choice, asks_more_sparsity_of_the_sparse_kernels_where_onednn_multiplies_bf16) {
    const auto sparse_wins = [](double density, config::precision_kind precision) {
        const layer_work work{
            .layer = 0,
            .shape =
                {.in_channels = 64, .out_channels = 64, .height = 32, .width = 32, .kernel = 3, .padding = 1},
            .density = density,
            .input_gradient = true};
        return prefers_sparse(estimate({work}, gradient_scope::on_mask, precision));
    };
    EXPECT_TRUE(sparse_wins(0.4, config::precision_kind::f32));
    EXPECT_FALSE(sparse_wins(0.4, config::precision_kind::bf16));
    EXPECT_TRUE(sparse_wins(0.1, config::precision_kind::bf16));
}

} // namespace
} // namespace feddip::nn
