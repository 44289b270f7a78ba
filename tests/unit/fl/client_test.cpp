#include "fl/client.hpp"
#include "unit/fl/federation.hpp"

#include <gtest/gtest.h>

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
