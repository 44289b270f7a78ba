#include "fl/convergence.hpp"
#include "fl/evaluation.hpp"
#include "unit/fl/federation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

using namespace feddip;

namespace {

struct measured_model {
    test::small_federation what;
    nn::network network{{.max_batch = 400, .kernels = config::kernel_kind::dense}};
    fl::global_model model{
        std::vector<float>(network.layout().size()), {network.layout().prunable_size(), true}, 1};

    measured_model() {
        initialize(network.layout(), 3, model.state);
        for (std::size_t i = 0; i < model.mask.size(); i += 2) {
            model.mask.set(i, false);
        }
        sparse::apply(model.mask, std::span(model.state).first(model.mask.size()));
    }

    // In one pass over `images`.
    std::vector<double> gradient(const std::vector<std::uint32_t>& images) {
        data::evaluation_batches loader(what.data, what.data.train, 400);
        random_stream unused(1, 0, 0, purpose::test);
        std::ranges::copy(model.state, network.state().begin());
        network.use_mask(nullptr, nn::gradient_scope::all);
        network.train(loader.load(images), unused);
        const auto g = network.gradients();
        return {g.begin(), g.end()};
    }

    fl::gradient_report measure(const data::partition& shares) {
        fl::in_process_transport alone;
        return fl::measure_gradients(model, what.data, shares, network, alone, 1, 0);
    }
};

double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum;
}

} // namespace

TEST(convergence, measures_the_gradient_over_all_images_and_the_distance_of_each_client_from_it) {
    measured_model at;
    // Clients of unequal size, with classes of their own, and one with more images than fit into a pass.
    data::partition shares;
    shares.train.resize(3);
    std::vector<std::uint32_t> all;
    for (std::uint32_t i = 0; i < 400; ++i) {
        shares.train[i % 10 < 7 ? 0 : i % 10 < 9 ? 1 : 2].push_back(i);
        all.push_back(i);
    }
    ASSERT_GT(shares.train[0].size(), static_cast<std::size_t>(fl::evaluation_batch));

    const auto report = at.measure(shares);

    const auto global = at.gradient(all);
    const std::vector<double> zero(global.size());
    double divergence = 0;
    for (const auto& share : shares.train) {
        divergence += static_cast<double>(share.size()) / 400 * squared_distance(at.gradient(share), global);
    }
    EXPECT_NEAR(report.norm_squared, squared_distance(global, zero), 1e-4 * report.norm_squared);
    EXPECT_NEAR(report.divergence, divergence, 1e-3 * divergence);
    EXPECT_GT(divergence, 0);
}

TEST(convergence, of_one_client_has_no_divergence) {
    measured_model at;
    data::partition shares;
    shares.train.resize(2); // one has no images
    for (std::uint32_t i = 0; i < 200; ++i) {
        shares.train[1].push_back(i);
    }
    const auto report = at.measure(shares);
    EXPECT_NEAR(report.divergence, 0, 1e-6 * report.norm_squared);
}

TEST(convergence, is_recorded_on_request_and_changes_nothing_else) {
    test::small_federation plain, analysed;
    analysed.config.analysis.convergence_every = 2;

    const auto without = plain.run().state;
    const auto with = analysed.run().state;

    EXPECT_EQ(with.model.state, without.model.state);
    for (std::size_t t = 0; t < with.history.size(); ++t) {
        EXPECT_EQ(std::isnan(with.history[t].grad_norm_squared), t % 2 == 0);
        EXPECT_EQ(std::isnan(with.history[t].gradient_divergence), t % 2 == 0);
        EXPECT_TRUE(std::isnan(without.history[t].grad_norm_squared));
        EXPECT_EQ(with.history[t].test_accuracy, without.history[t].test_accuracy);
    }
}
