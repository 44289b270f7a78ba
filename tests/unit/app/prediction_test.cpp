#include "app/experiment.hpp"
#include "app/prediction.hpp"
#include "fl/aggregation/aggregation.hpp"
#include "fl/message.hpp"
#include "fl/privacy_guarantee.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace feddip::app {
namespace {

config::run_config small_run() {
    config::run_config c;
    c.federation.rounds = 10;
    c.sparsity.horizon = 5;
    return c;
}

std::vector<round_traffic> predicted(const config::run_config& c) {
    return predict_traffic(c, *fl::make_method(c), layout_for(c),
                           [&](int, int) { return images_per_client(c); });
}

TEST(Traffic, FedAvgSendsEverythingInEachRoundBothWays) {
    auto c = small_run();
    c.method.name = "fedavg";
    const double message = static_cast<double>(fl::header_bytes + 4 * layout_for(c).size());
    for (const auto& r : predicted(c)) {
        EXPECT_EQ(r.down, 5 * message);
        EXPECT_EQ(r.up, 5 * message);
        EXPECT_EQ(r.positions, 0);
    }
}

TEST(Traffic, FedDipUploadsAllWeightsOnlyWhereTheMaskIsToChange) {
    const auto rounds = predicted(small_run());
    for (std::size_t t = 0; t < rounds.size(); ++t) {
        EXPECT_EQ(rounds[t].all_weights, t % 5 == 0) << "round " << t;
    }
    EXPECT_GT(rounds[0].up, 1.9 * rounds[1].up); // half of the weights are pruned
    EXPECT_GT(rounds[1].up, rounds[6].up);       // and more later
}

TEST(Traffic, WithoutRegrowthOnlyTheFirstRoundIsDense) {
    auto c = small_run();
    c.sparsity.regrow = false;
    const auto rounds = predicted(c);
    EXPECT_TRUE(rounds[0].all_weights);
    EXPECT_FALSE(rounds[5].all_weights);
}

TEST(Traffic, PositionsAreSentWhereTheMaskIsNewToAClient) {
    auto c = small_run();
    c.federation.clients = c.federation.clients_per_round;
    const auto rounds = predicted(c);
    for (const std::size_t t : {2U, 3U, 4U, 5U, 7U, 8U, 9U}) {
        EXPECT_EQ(rounds[t].positions, 0) << "round " << t;
    }
    EXPECT_GT(rounds[6].positions, 0);
    EXPECT_GT(rounds[0].positions, rounds[6].positions); // then the difference to it is enough

    c.federation.clients = 1000; // hardly any of whom comes twice
    EXPECT_GT(predicted(c)[9].positions, 0);
}

TEST(Traffic, OfTheLargestWeightsIsTheirValuesAndPositions) {
    auto c = small_run();
    c.communication.reconfiguration_upload = config::reconfiguration_upload_kind::topk;
    const auto layout = layout_for(c);
    const auto size = layout.prunable_size();
    const auto rounds = predicted(c);
    EXPECT_EQ(rounds[1].positions_up, 0);

    const double target = fl::make_method(c)->plan(5).target_sparsity;
    const auto sent = size - static_cast<std::size_t>(std::llround(target * static_cast<double>(size)));
    EXPECT_GT(rounds[5].positions_up, 0);
    EXPECT_NEAR(rounds[5].up - rounds[5].positions_up,
                5.0 * static_cast<double>(fl::header_bytes + 4 * (sent + layout.size() - size)), 1e-6);
}

TEST(Traffic, OfClientsThatDropOutIsTheDownloadAlone) {
    auto c = small_run();
    c.federation.rounds = 40;
    const auto usual = predicted(c);
    c.faults.drop_probability = 0.3;
    const auto rounds = predicted(c);
    double dropped = 0;
    for (std::size_t t = 0; t < rounds.size(); ++t) {
        EXPECT_EQ(rounds[t].down, usual[t].down);
        EXPECT_NEAR(rounds[t].up, usual[t].up * (5 - rounds[t].dropped_out) / 5, 1e-6);
        dropped += rounds[t].dropped_out;
    }
    EXPECT_EQ(total(rounds).dropped_out, dropped);
    EXPECT_NEAR(dropped, 0.3 * 200, 6 * std::sqrt(0.3 * 0.7 * 200));
}

TEST(Traffic, IsOfTheMaskBeforeWhereTooFewAnswerForTheRuleOfAggregation) {
    auto secure = small_run();
    secure.privacy.secure_sum = true;
    auto krum = small_run();
    krum.aggregation = {.rule = "krum", .hostile = 1};
    for (auto c : {secure, krum}) {
        c.federation.rounds = 60;
        c.faults.drop_probability = 0.3;
        const int least = fl::make_aggregation_rule(c)->least_updates(0);
        ASSERT_GT(least, 1);
        const auto rounds = predicted(c);
        int kept = 0;
        for (std::size_t t = 5; t + 1 < rounds.size(); t += 5) {
            const bool enough = 5 - rounds[t].dropped_out >= least;
            EXPECT_EQ(rounds[t + 1].sparsity > rounds[t].sparsity, enough) << "round " << t;
            kept += enough ? 0 : 1;
        }
        EXPECT_GT(kept, 0);
        EXPECT_LT(kept, 11);
    }
}

TEST(Traffic, TakesLongerWhereAClientIsSlow) {
    auto c = small_run();
    c.links.uplink_mbit = {8.0};
    const auto usual = predicted(c);
    c.faults.slow_probability = 1;
    c.faults.slow_factor = 7;
    const auto slow = predicted(c);
    for (std::size_t t = 0; t < usual.size(); ++t) {
        EXPECT_NEAR(slow[t].seconds, 7 * usual[t].seconds, 1e-9);
    }
}

TEST(Traffic, WithoutAServerIsAMessageFromEachNeighbourThatDoesNotDropOut) {
    auto c = small_run();
    c.method.name = "dispfl";
    const auto layout = layout_for(c);
    const auto tail = layout.size() - layout.prunable_size();
    const auto alive = fl::make_method(c)->alive({}, layout);
    const double without_positions = static_cast<double>(fl::header_bytes + 4 * (alive + tail));
    const auto messages = [&](const round_traffic& r) { return (r.down - r.positions) / without_positions; };

    for (const auto& r : predicted(c)) {
        EXPECT_NEAR(messages(r), 5 * 4, 1e-9); // everyone gets everyone else's
        EXPECT_EQ(r.up, r.down);
        EXPECT_EQ(r.positions_up, r.positions);
        EXPECT_GT(r.positions, 0);
    }
    c.dispfl.neighbours = 3;
    EXPECT_NEAR(messages(predicted(c)[0]), 5 * 3, 1e-9);

    c.dispfl.neighbours = 10;
    c.faults.drop_probability = 0.3;
    double dropped = 0;
    for (const auto& r : predicted(c)) {
        EXPECT_NEAR(messages(r), 4 * (5 - r.dropped_out), 1e-9); // they receive and don't send
        dropped += r.dropped_out;
    }
    EXPECT_GT(dropped, 0);
}

TEST(Traffic, AmongPeersTakesAsLongAsTheyWaitForOneAnother) {
    auto c = small_run();
    c.method.name = "dadpfl";
    c.links.latency_ms = {1000}; // there and back, two seconds
    for (const auto& [waits, seconds] : {std::pair{0, 2.0}, std::pair{2, 6.0}, std::pair{100, 10.0}}) {
        c.dadpfl.waits = waits;
        for (const auto& r : predicted(c)) {
            EXPECT_DOUBLE_EQ(r.seconds, seconds); // of five clients, everyone gets everyone else's
        }
    }
}

TEST(Traffic, OfPruneFlHasSquaredGradientsOfAllWeightsWhereItReconfigures) {
    auto c = small_run();
    c.method.name = "prunefl";
    const auto size = layout_for(c).prunable_size();
    const auto rounds = predicted(c);
    EXPECT_NEAR(rounds[5].up - rounds[4].up, 5.0 * 4 * static_cast<double>(size), 1e-3);
    // One client received the whole model and sent half of it, before anything else.
    EXPECT_GT(rounds[0].up, rounds[1].up + 2.0 * static_cast<double>(size));
    EXPECT_GT(rounds[0].down, rounds[1].down + 4.0 * static_cast<double>(size));
}

TEST(Traffic, OfSnipHasTheMaskThatOneClientSends) {
    auto c = small_run();
    c.method.name = "snip";
    const auto rounds = predicted(c);
    EXPECT_GT(rounds[0].positions_up, 1000);
    EXPECT_NEAR(rounds[0].up - rounds[1].up, fl::header_bytes + rounds[0].positions_up, 1e-6);
    EXPECT_EQ(rounds[1].positions_up, 0);
}

TEST(Traffic, OfSnipSendsItsMaskToNobodyWhoChoseIt) {
    auto c = small_run();
    c.method.name = "snip";
    c.federation.clients = c.federation.clients_per_round = 4;
    const auto snip = predicted(c);
    c.method.name = "flash"; // whose first client knows densities only
    const auto flash = predicted(c);
    EXPECT_GT(snip[0].positions, 0);
    EXPECT_NEAR(snip[0].positions, 3.0 / 4 * flash[0].positions, 0.01 * flash[0].positions);
}

TEST(Traffic, TakesAsLongAsTheImagesOfTheRound) {
    auto c = small_run();
    c.links.train_ms_per_image = {1};
    c.federation.local_epochs = 2;
    const auto rounds = predict_traffic(c, *fl::make_method(c), layout_for(c),
                                        [](int, int t) { return t < 5 ? 100.0 : 50.0; });
    EXPECT_NEAR(rounds[4].seconds, 0.2, 1e-9);
    EXPECT_NEAR(rounds[5].seconds, 0.1, 1e-9);
}

TEST(Traffic, TakesLongerByTheFirstClientsLookAtItsData) {
    auto c = small_run();
    c.method.name = "flash";
    c.links.train_ms_per_image = {1};
    const auto rounds = predicted(c);
    EXPECT_NEAR(rounds[0].seconds, 10 * rounds[1].seconds, 1e-9) << "nine trainings before that of the round";
}

TEST(Traffic, OfPruneTrainKeepsTheFirstAndTheLastLayer) {
    auto c = small_run();
    c.method.name = "prunetrain";
    c.sparsity.initial = c.sparsity.target = 0.5;
    EXPECT_NEAR(predicted(c)[3].sparsity, 0.5 * (61470 - 150 - 840) / 61470, 1e-5);
}

TEST(Traffic, OfProtectedClientsIsAMeanOverWhoeverTakesPartForAsLongAsTheBudgetLasts) {
    auto c = small_run();
    c.privacy = {.clip = 1, .noise_multiplier = 2, .sampling = config::sampling_kind::poisson};
    c.faults.drop_probability = 0.5;
    c.links.uplink_mbit = {1};
    auto seen = c;
    seen.privacy = {};

    const auto rounds = predicted(c);
    const double whole = static_cast<double>(fl::header_bytes + 4 * layout_for(c).size());
    EXPECT_EQ(rounds.size(), 10U);
    EXPECT_EQ(rounds[0].up, 2.5 * whole);
    EXPECT_EQ(total(rounds).dropped_out, 25);
    EXPECT_GT(rounds[3].positions, predicted(seen)[3].positions) << "each gets the whole mask";
    EXPECT_TRUE(std::isnan(rounds[0].seconds));
    EXPECT_EQ(rounds[0].values, static_cast<double>(layout_for(c).size()));
    EXPECT_LT(rounds[9].values, 0.5 * rounds[0].values);

    c.privacy.epsilon = 0.99 * fl::privacy_guarantee(c).epsilon_after(7);
    EXPECT_EQ(predicted(c).size(), 6U);
}

TEST(Traffic, TakesTimeOverTheLinksOfTheConfig) {
    auto c = small_run();
    EXPECT_TRUE(std::isnan(predicted(c)[0].seconds));
    c.links.uplink_mbit = {8.0}; // a byte per microsecond
    c.links.latency_ms = {100.0};
    for (const auto& r : predicted(c)) {
        EXPECT_NEAR(r.seconds, 0.2 + 1e-6 * r.up / 5, 1e-9);
    }
}

TEST(Work, IsThatOfTheKnownModels) {
    config::run_config c;
    const auto lenet = forward_flops(c);
    ASSERT_EQ(lenet.size(), 5U);
    EXPECT_EQ(lenet[0], 2.0 * 28 * 28 * 6 * 25);
    EXPECT_EQ(lenet[1], 2.0 * 10 * 10 * 16 * 6 * 25);
    EXPECT_EQ(lenet[2], 2.0 * 400 * 120);

    c.data.dataset = config::dataset_name::cifar_100;
    c.model.name = config::model_name::resnet18;
    const auto resnet = forward_flops(c);
    // In the literature: 0.56 G multiplications and additions, each counted here.
    EXPECT_NEAR(std::accumulate(resnet.begin(), resnet.end(), 0.0) / 2, 0.56e9, 0.01e9);
}

TEST(Work, OfTrainingHasNoGradientOfTheImages) {
    config::run_config c;
    const auto lenet = training_flops(c);
    EXPECT_EQ(lenet[0], 2 * 2.0 * 28 * 28 * 6 * 25);
    EXPECT_EQ(lenet[1], 3 * 2.0 * 10 * 10 * 16 * 6 * 25);
    EXPECT_EQ(std::accumulate(lenet.begin(), lenet.end(), 0.0), 2'263'920);

    c.data.dataset = config::dataset_name::cifar_10;
    c.model.name = config::model_name::resnet18; // which has blocks with a layer beside them
    const auto forward = forward_flops(c), training = training_flops(c);
    for (std::size_t l = 0; l < forward.size(); ++l) {
        EXPECT_EQ(training[l], (l == 0 ? 2 : 3) * forward[l]) << l;
    }
}

TEST(Work, IsListedInTheOrderOfTheLayout) {
    config::run_config c;
    c.data.dataset = config::dataset_name::cifar_10;
    for (const auto model : {config::model_name::alexnet, config::model_name::resnet18}) {
        c.model.name = model;
        const auto layout = layout_for(c);
        const auto flops = forward_flops(c);
        ASSERT_EQ(flops.size(), layout.weights().size());
        for (std::size_t l = 0; l < flops.size(); ++l) {
            const auto& weights = layout.weights()[l];
            const double pixels = flops[l] / (2.0 * static_cast<double>(weights.size));
            EXPECT_EQ(pixels, std::floor(pixels))
                << weights.name; // each weight is used once per output pixel
        }
    }
}

constexpr double share = 1200; // images of a client

TEST(Memory, HoldsTheDataSetAndGrowsWithTheBatch) {
    config::run_config c;
    const auto layout = layout_for(c);
    const auto small = estimate_memory(c, layout, {}, share);
    c.federation.batch_size = 1000;
    const auto large = estimate_memory(c, layout, {}, share);
    EXPECT_EQ(small.dataset, 70'000.0 * 785);
    EXPECT_GT(large.activations, 3 * small.activations);
    EXPECT_EQ(large.parameters, small.parameters);

    c.federation.batch_size = 2147483647;
    EXPECT_DOUBLE_EQ(estimate_memory(c, layout, {}, share).activations, 1.2 * large.activations);
}

TEST(Memory, HoldsWhatHostileClientsLookAt) {
    config::run_config c;
    const auto layout = layout_for(c);
    EXPECT_EQ(estimate_memory(c, layout, {}, share).seen, 0);
    c.attack.kind = "alie";
    c.attack.sees = config::attack_sight::all;
    EXPECT_EQ(estimate_memory(c, layout, {}, share).seen, 3.0 * 5 * 4 * static_cast<double>(layout.size()));
}

TEST(Memory, HoldsAllUpdatesOfARoundWhereTheRuleNeedsThem) {
    config::run_config c;
    const auto layout = layout_for(c);
    EXPECT_EQ(estimate_memory(c, layout, {}, share).updates, 0);
    c.aggregation.rule = "median";
    EXPECT_EQ(estimate_memory(c, layout, {}, share).updates,
              2.0 * 5 * 4 * static_cast<double>(layout.size()));
}

TEST(Memory, HoldsTheSparseKernelsOfTheDensestMaskThatTheyAreTakenFor) {
    auto c = small_run();
    c.model.name = config::model_name::custom;
    c.model.layers.resize(2);
    for (auto& layer : c.model.layers) {
        layer.kind = config::layer_word::fully_connected;
    }
    c.model.layers[0].outputs = 500;
    const auto density = [&] {
        const auto m = estimate_memory(c, layout_for(c), predicted(c), share);
        const double size = static_cast<double>(layout_for(c).prunable_size());
        EXPECT_NEAR(m.kernels / (64 * size), m.compiled, 1e-9);
        return m.compiled;
    };
    c.compute.kernels = config::kernel_kind::sparse;
    c.sparsity.initial = 0.2;
    EXPECT_NEAR(density(), 0.8, 1e-5);
    c.compute.kernels = config::kernel_kind::automatic;
    EXPECT_LT(density(), 0.7);
    EXPECT_GT(density(), 0.3);
    c.sparsity.initial = c.sparsity.target = 0.99;
    EXPECT_NEAR(density(), 0.01, 1e-5);
    c.compute.kernels = config::kernel_kind::dense;
    EXPECT_EQ(density(), 0);

    c.compute.kernels = config::kernel_kind::sparse;
    c.sparsity.start_mask = config::start_mask_kind::per_client;
    c.sparsity.initial = 0.3;
    c.federation.rounds = 1; // in which the model is dense
    EXPECT_NEAR(density(), 0.7, 1e-5);

    c.sparsity = {};
    c.method.name = "fedavg";
    EXPECT_EQ(density(), 0);
    c.budget.mode = config::budget_kind::fixed;
    c.budget.density = {0.25};
    EXPECT_EQ(density(), 0.25);
}

TEST(Memory, HoldsWhatKernelsAreCompiledToWithoutAMaskBesideThoseOfAMask) {
    auto c = small_run();
    c.sparsity.initial = 0.6;
    const auto m = estimate_memory(c, layout_for(c), predicted(c), share);
    EXPECT_EQ(m.compiled, 1);
    const double gradients = 150 + 2400; // of the convolutions, whose channels don't fill vectors
    EXPECT_NEAR(m.kernels, 64 * (61470 + 0.4 * 61470 + gradients), 1);
}

} // namespace
} // namespace feddip::app
