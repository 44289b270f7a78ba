#include "fl/local_trainer.hpp"
#include "fl/records.hpp"
#include "unit/fl/federation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

using namespace feddip;

namespace {

// What a client works with.
struct workplace {
    test::small_federation what;
    nn::network network{{.kernels = config::kernel_kind::dense}};
    fl::local_trainer trainer{what.config, what.data, network};
    fl::global_model model{
        std::vector<float>(network.layout().size()), {network.layout().prunable_size(), true}, 0};

    explicit workplace(const std::string& method = "fedavg") {
        what.config.method.name = method;
        what.config.federation.local_epochs = 1;
        initialize(network.layout(), 1, model.state);
    }

    void train(const fl::round_plan& plan, const sparse::mask& mask) {
        trainer.train(model, mask, plan, 0, what.shares.train[0], [] {});
    }
};

// The client's minibatches again, and the update as it is written in the paper, in double precision.
std::vector<double> fedprox_by_the_formula(workplace& w, const fl::round_plan& plan) {
    const std::size_t trainable = w.network.layout().trainable_size();
    random_stream shuffling(w.what.config.federation.seed, 0, 0, purpose::shuffling);
    random_stream augmentation(w.what.config.federation.seed, 0, 0, purpose::augmentation);
    random_stream dropout(w.what.config.federation.seed, 0, 0, purpose::dropout);
    data::training_batches loader(w.what.data, w.what.shares.train[0], w.what.config.federation.batch_size);
    std::vector<double> weights(w.model.state.begin(),
                                w.model.state.begin() + static_cast<std::ptrdiff_t>(trainable));
    w.network.use_mask(nullptr, nn::gradient_scope::all);
    loader.start_epoch(shuffling);
    for (int b = 0; b < loader.batches(); ++b) {
        std::ranges::copy(weights, w.network.state().begin());
        w.network.train(loader.next(augmentation), dropout);
        const auto gradients = w.network.gradients();
        for (std::size_t i = 0; i < trainable; ++i) {
            const double pull = plan.proximal * (weights[i] - w.model.state[i]);
            weights[i] -= plan.sgd.learning_rate * (gradients[i] + plan.sgd.weight_decay * weights[i] + pull);
        }
    }
    return weights;
}

} // namespace

TEST(fedprox, steps_by_the_gradient_and_the_pull_to_where_the_round_began) {
    workplace w("fedprox");
    w.what.config.fedprox.mu = 2.0; // a pull that tells
    const auto plan = fl::make_method(w.what.config)->plan(0);
    const auto expected = fedprox_by_the_formula(w, plan);

    w.train(plan, w.model.mask);

    double moved = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(w.trainer.weights()[i], expected[i], 1e-6) << i;
        moved = std::max(moved, std::abs(expected[i] - static_cast<double>(w.model.state[i])));
    }
    EXPECT_GT(moved, 1e-3);
}

TEST(local_trainer, changes_masks_between_epochs_or_halfway_through_a_single_one) {
    for (const int epochs : {1, 4}) {
        workplace w;
        w.what.config.federation.local_epochs = epochs;
        const std::size_t size = w.network.layout().prunable_size();
        const fl::round_plan plan{.sgd = {0.1F, 0, 0}, .readjusts_in_training = true};
        sparse::mask mask(size, true);
        for (std::size_t i = 0; i < size; i += 3) {
            mask.set(i, false);
        }
        sparse::apply(mask, std::span(w.model.state).first(size));
        std::vector<double> done;
        const auto change = [&](const fl::client_in_training& client) {
            done.push_back(client.done);
            for (std::size_t i = 0; i < size; ++i) {
                EXPECT_TRUE(client.mask[i] || client.weights[i] == 0.0F);
            }
            auto next = client.mask;
            next.set(0, true);
            next.set(done.size(), false);
            return next;
        };

        w.trainer.train(
            w.model, mask, plan, 0, w.what.shares.train[0], [] {}, change);

        const int batches = w.trainer.batches(w.what.shares.train[0].size());
        ASSERT_GE(batches, 2 * epochs);
        EXPECT_EQ(done, epochs == 1 ? std::vector<double>{batches / 2 / static_cast<double>(batches)}
                                    : (std::vector<double>{0.25, 0.5, 0.75}));
        EXPECT_NE(w.trainer.weights()[0], 0.0F) << "it came from 0 and was trained";
        EXPECT_EQ(w.trainer.weights()[1], 0.0F);
        EXPECT_TRUE(w.trainer.mask()[0]);
        EXPECT_FALSE(w.trainer.mask()[1]);
    }
}

TEST(local_trainer, trains_the_same_bits_where_a_change_of_masks_changes_nothing) {
    workplace plain, asked;
    plain.what.config.federation.local_epochs = asked.what.config.federation.local_epochs = 3;
    const fl::round_plan plan{.sgd = {0.1F, 0, 0}};
    plain.train(plan, plain.model.mask);
    asked.trainer.train(
        asked.model, asked.model.mask, plan, 0, asked.what.shares.train[0], [] {},
        [](const fl::client_in_training& client) { return client.mask; });
    EXPECT_TRUE(std::ranges::equal(plain.trainer.weights(), asked.trainer.weights()));
}

TEST(local_trainer, tells_the_mean_loss_of_the_last_epoch_over_its_images) {
    workplace w;
    w.what.config.federation.local_epochs = 3;
    const auto plan = fl::make_method(w.what.config)->plan(0);
    double last = 0, before = 0;
    {
        random_stream shuffling(w.what.config.federation.seed, 0, 0, purpose::shuffling);
        random_stream augmentation(w.what.config.federation.seed, 0, 0, purpose::augmentation);
        random_stream dropout(w.what.config.federation.seed, 0, 0, purpose::dropout);
        data::training_batches loader(w.what.data, w.what.shares.train[0], 32);
        const std::size_t trainable = w.network.layout().trainable_size();
        std::vector<double> weights(w.model.state.begin(),
                                    w.model.state.begin() + static_cast<std::ptrdiff_t>(trainable));
        w.network.use_mask(nullptr, nn::gradient_scope::all);
        for (int epoch = 0; epoch < 3; ++epoch) {
            before = std::exchange(last, 0);
            loader.start_epoch(shuffling);
            for (int b = 0; b < 4; ++b) {
                std::ranges::copy(weights, w.network.state().begin());
                last += w.network.train(loader.next(augmentation), dropout).loss / 100;
                for (std::size_t i = 0; i < trainable; ++i) {
                    const double gradient = w.network.gradients()[i] + 5e-4 * weights[i];
                    weights[i] -= 0.1 * gradient;
                }
            }
        }
    }

    const auto record = w.trainer.train(w.model, w.model.mask, plan, 0, w.what.shares.train[0], [] {});

    ASSERT_EQ(record.samples, 100U) << "four minibatches, the last one of four images";
    EXPECT_NEAR(record.train_loss, last, 1e-5 * last);
    EXPECT_GT(std::abs(before - last), 5e-5 * last) << "epochs differ";
}

// (1 x 1 + 3 x 5) / 4 of the two that are included.
TEST(records, weigh_the_loss_of_a_round_by_samples) {
    const std::vector<fl::client_record> clients{{.id = 0, .samples = 1, .train_loss = 1.0},
                                                 {.id = 1, .samples = 3, .train_loss = 5.0},
                                                 {.id = 2, .samples = 8, .train_loss = 9.0, .included = 0}};
    const auto of_round = fl::require_usable(clients, 0);
    EXPECT_DOUBLE_EQ(of_round.train_loss, 4.0);
    EXPECT_EQ(of_round.samples, 4U);
    EXPECT_EQ(of_round.updates, 2);
}

TEST(fedprox, gives_the_same_weights_whether_it_trains_all_of_them_or_those_in_the_mask) {
    workplace all("fedprox"), in_mask("fedprox");
    auto plan = fl::make_method(all.what.config)->plan(0);
    sparse::mask half(all.model.mask.size(), true);
    for (std::size_t i = 0; i < half.size(); i += 2) {
        half.set(i, false);
    }
    for (auto* w : {&all, &in_mask}) {
        sparse::apply(half, std::span(w->model.state).first(half.size()));
    }

    in_mask.train(plan, half);
    plan.upload = fl::upload_content::all_weights;
    all.train(plan, half);

    for (std::size_t i = 1; i < half.size(); i += 2) {
        ASSERT_EQ(all.trainer.weights()[i], in_mask.trainer.weights()[i]) << i;
    }
}

TEST(fedprox, without_mu_is_fedavg) {
    test::small_federation plain, prox;
    plain.config.method.name = "fedavg";
    prox.config.method.name = "fedprox";
    prox.config.fedprox.mu = 0;
    const auto expected = plain.run().state.model.state;

    EXPECT_EQ(prox.run().state.model.state, expected);
    prox.config.fedprox.mu = 0.1;
    EXPECT_NE(prox.run().state.model.state, expected);
}
