#include "base/error.hpp"
#include "fl/aggregation/aggregation.hpp"
#include "fl/method.hpp"
#include "fl/server.hpp"
#include "nn/network.hpp"
#include "unit/fl/masks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace feddip;
using namespace feddip::fl;

namespace {

const parameter_layout tiny({{"a.weight", role::weight, {2, 3}, 0, 0, 3},
                             {"a.bias", role::bias, {2}, 0, 0, 3}});

config::run_config config_of(const std::string& method) {
    config::run_config c;
    c.method.name = method;
    c.sparsity = {.initial = 0.5, .target = 0.5, .horizon = 5};
    return c;
}

} // namespace

TEST(make_method, names_the_known_ones_for_an_unknown_name) {
    try {
        make_method(config_of("fedip"));
        FAIL();
    } catch (const input_error& e) {
        EXPECT_THAT(e.what(), testing::HasSubstr("feddip"));
        EXPECT_THAT(e.what(), testing::HasSubstr("fedavg"));
    }
}

TEST(make_method, takes_the_authors_variant_only_where_there_is_one) {
    auto c = config_of("fedavg");
    c.method.variant = config::variant_kind::authors;
    try {
        make_method(c);
        FAIL();
    } catch (const input_error& e) {
        EXPECT_THAT(e.what(), testing::HasSubstr("fedavg has no variant \"authors\""));
        EXPECT_THAT(e.what(), testing::HasSubstr("fedprox"));
    }
    c.method.name = "feddip";
    EXPECT_THROW(make_method(c), input_error);
    for (const char* name : {"fedprox", "feddst", "prunefl", "snip"}) {
        c.method.name = name;
        EXPECT_NO_THROW(make_method(c)) << name;
    }
}

TEST(make_method, has_no_scaled_start_without_a_mask_of_the_server) {
    auto c = config_of("feddip");
    c.sparsity.start_scale = config::start_scale_kind::density;
    EXPECT_NO_THROW(make_method(c));
    c.sparsity.start_mask = config::start_mask_kind::per_client;
    EXPECT_THROW(make_method(c), input_error);
    c.method.name = "dispfl";
    EXPECT_THROW(make_method(c), input_error);
}

TEST(fedavg, never_prunes_regularizes_or_reconfigures) {
    const auto fedavg = make_method(config_of("fedavg"));
    for (const int round : {0, 5, 999}) {
        const auto plan = fedavg->plan(round);
        EXPECT_FALSE(plan.reconfigures);
        EXPECT_EQ(plan.sgd.regularization, 0.0F);
        EXPECT_EQ(plan.target_sparsity, 0.0);
        EXPECT_NEAR(plan.sgd.learning_rate, 0.1 * std::pow(0.998, round), 1e-7);
    }
    EXPECT_EQ(fedavg->start_mask(tiny).sparsity(), 0.0);
}

TEST(feddip, reconfigures_every_horizon_rounds_and_only_then_needs_all_weights) {
    const auto feddip = make_method(config_of("feddip"));
    for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(feddip->plan(round).reconfigures, round % 5 == 0) << round;
        EXPECT_EQ(feddip->plan(round).trains_all_weights(), round % 5 == 0) << round;
    }
}

TEST(feddip, without_regrowth_needs_all_weights_in_the_first_round_only) {
    auto c = config_of("feddip");
    c.sparsity.regrow = false;
    const auto feddip = make_method(c);
    for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(feddip->plan(round).reconfigures, round % 5 == 0) << round;
        EXPECT_EQ(feddip->plan(round).trains_all_weights(), round == 0) << round;
    }
}

// Of twelve rounds three are final: t = 8, the last before them, is at the target, and the mask rests from t
// = 9.
TEST(feddip, reconfigures_last_before_the_final_rounds_and_then_at_the_target) {
    auto c = config_of("feddip");
    c.federation.rounds = 12;
    c.sparsity = {.initial = 0.5, .target = 0.9, .horizon = 5};
    auto shorter = c;
    shorter.federation.rounds = 9;
    for (const double final_rounds : {3.0, 0.25}) {
        c.sparsity.final_rounds = final_rounds;
        const auto feddip = make_method(c);
        for (int round = 0; round < 12; ++round) {
            const auto plan = feddip->plan(round);
            EXPECT_EQ(plan.reconfigures, round == 0 || round == 5 || round == 8) << round;
            EXPECT_EQ(plan.trains_all_weights(), plan.reconfigures) << round;
            EXPECT_EQ(plan.target_sparsity,
                      round < 8 ? make_method(shorter)->plan(round).target_sparsity : 0.9);
        }
    }
}

// lambda_max = 1e-3 in ten steps. The authors' program begins with 5e-4 and ends 8/9 of the way from there.
TEST(feddip, regularizes_by_a_staircase_over_all_rounds) {
    struct {
        config::staircase_kind staircase;
        double at_100, at_999;
    } const kinds[] = {{config::staircase_kind::paper, 1e-4, 9e-4},
                       {config::staircase_kind::code, 5e-4, 5e-4 + 5e-4 * 8 / 9}};
    auto c = config_of("feddip");
    for (const auto& [staircase, at_100, at_999] : kinds) {
        c.regularization.staircase = staircase;
        for (const double final_rounds : {0.0, 200.0}) {
            c.sparsity.final_rounds = final_rounds;
            const auto feddip = make_method(c);
            const auto lambda = [&](int round) { return feddip->plan(round).sgd.regularization; };
            EXPECT_EQ(lambda(0), 0.0F);
            EXPECT_EQ(lambda(99), 0.0F);
            EXPECT_FLOAT_EQ(lambda(100), static_cast<float>(at_100));
            EXPECT_FLOAT_EQ(lambda(999), static_cast<float>(at_999));
        }
    }
    c.regularization.maximum = 0;
    EXPECT_EQ(make_method(c)->plan(999).sgd.regularization, 0.0F);
}

TEST(feddip, leaves_each_layer_its_floor) {
    const parameter_layout two_layers(
        {{"a.weight", role::weight, {4, 1}, 0, 0, 1}, {"b.weight", role::weight, {6, 1}, 0, 0, 1}});
    auto c = config_of("feddip");
    c.sparsity = {.initial = 0.6, .target = 0.6};
    const std::vector<float> average{1, -2, 0.5F, 0, 5, 6, 7, 8, 3, 4};
    const auto current = test::mask_of({1, 0, 1, 1, 1, 1, 1, 1, 1, 1});
    const auto chosen = [&] {
        const auto feddip = make_method(c);
        return feddip->reconfigure(feddip->plan(5), {two_layers, average}, current);
    };

    EXPECT_EQ(chosen(), test::mask_of({0, 0, 0, 0, 1, 1, 1, 1, 0, 0}));
    c.sparsity.layer_floor = 0.25;
    EXPECT_EQ(chosen(), test::mask_of({0, 1, 0, 0, 0, 1, 1, 1, 0, 0}));
    c.sparsity.regrow = false;
    EXPECT_EQ(chosen(), test::mask_of({1, 0, 0, 0, 0, 1, 1, 1, 0, 0}));
}

TEST(feddip, ranks_by_magnitudes_relative_to_the_layer_if_told_to) {
    const parameter_layout two_layers(
        {{"a.weight", role::weight, {4, 1}, 0, 0, 1}, {"b.weight", role::weight, {6, 1}, 0, 0, 1}});
    auto c = config_of("feddip");
    c.sparsity = {.initial = 0.5, .target = 0.5};
    const std::vector<float> average{1, -2, 0.5F, 0, 5, 6, 7, 8, 3, 4};
    const auto chosen = [&] {
        const auto feddip = make_method(c);
        return feddip->reconfigure(feddip->plan(5), {two_layers, average}, {10, true});
    };

    EXPECT_EQ(chosen(), test::mask_of({0, 0, 0, 0, 1, 1, 1, 1, 0, 1}));
    c.sparsity.score = config::score_kind::lamp; // a: 1/5, 1; b: 25/174, 36/149, 49/113, 1
    EXPECT_EQ(chosen(), test::mask_of({1, 1, 0, 0, 0, 1, 1, 1, 0, 0}));
    c.communication.reconfiguration_upload = config::reconfiguration_upload_kind::topk;
    EXPECT_THROW(make_method(c), input_error);
}

TEST(feddip, with_dense_upload_trains_all_weights_always) {
    auto c = config_of("feddip");
    c.communication.upload = config::upload_kind::dense;
    EXPECT_TRUE(make_method(c)->plan(3).trains_all_weights());
}

TEST(feddip, starts_from_one_erk_mask_of_the_server_or_from_one_per_client) {
    auto c = config_of("feddip");
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    const auto global = make_method(c);
    EXPECT_NEAR(global->start_mask(layout).sparsity(), 0.5, 1e-4);
    EXPECT_FALSE(global->client_mask(global->plan(0), layout, 3));

    c.sparsity.start_mask = config::start_mask_kind::per_client;
    const auto per_client = make_method(c);
    EXPECT_EQ(per_client->start_mask(layout).sparsity(), 0.0);
    const auto mask_3 = per_client->client_mask(per_client->plan(0), layout, 3);
    const auto mask_4 = per_client->client_mask(per_client->plan(0), layout, 4);
    EXPECT_NEAR(mask_3->sparsity(), 0.5, 1e-4);
    EXPECT_NE(*mask_3, *mask_4);
    EXPECT_FALSE(per_client->client_mask(per_client->plan(1), layout, 3));
}

TEST(feddip, with_a_uniform_start_gives_every_layer_the_same_density) {
    auto c = config_of("feddip");
    c.sparsity.start = config::start_kind::uniform;
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    for (const double d : sparse::layer_densities(make_method(c)->start_mask(layout), layout)) {
        EXPECT_NEAR(d, 0.5, 0.01);
    }
}

// Averages: weights 1 .. 6 off and on the mask; the three largest magnitudes are positions 1, 3 and 5.
TEST(feddip, lets_a_pruned_weight_regrow_when_its_average_is_large) {
    const auto feddip = make_method(config_of("feddip"));
    const std::vector<float> average{1, -5, 2, 6, 3, 4};
    const auto current = test::mask_of({1, 0, 1, 1, 0, 0});

    EXPECT_EQ(feddip->reconfigure(feddip->plan(5), {tiny, average}, current),
              test::mask_of({0, 1, 0, 1, 0, 1}));
}

TEST(feddip, without_regrowth_ranks_outside_the_start_mask_once) {
    auto c = config_of("feddip");
    c.sparsity = {.initial = 0.5, .target = 0.5, .horizon = 5, .regrow = false};
    const auto feddip = make_method(c);
    const std::vector<float> average{1, -5, 2, 6, 3, 4};
    const auto current = test::mask_of({1, 0, 1, 1, 0, 0});
    EXPECT_EQ(feddip->reconfigure(feddip->plan(0), {tiny, average}, current),
              test::mask_of({0, 1, 0, 1, 0, 1}));
    EXPECT_EQ(feddip->reconfigure(feddip->plan(5), {tiny, average}, current), current);
}

TEST(feddip, without_regrowth_nests_masks) {
    auto c = config_of("feddip");
    c.sparsity.regrow = false;
    c.sparsity.target = c.sparsity.initial = 2.0 / 3;
    const auto feddip = make_method(c);
    const std::vector<float> average{1, -5, 2, 6, 3, 4};

    EXPECT_EQ(feddip->reconfigure(feddip->plan(5), {tiny, average}, test::mask_of({1, 0, 1, 1, 0, 0})),
              test::mask_of({0, 0, 1, 1, 0, 0}));
}

TEST(finish_round, reconfigures_and_prunes_the_average) {
    const auto feddip = make_method(config_of("feddip"));
    const auto before = test::mask_of({1, 0, 1, 1, 0, 0});
    global_model model{std::vector<float>(8), before, 4};

    const auto report =
        finish_round(*feddip, feddip->plan(5), tiny, {.state = {1, -5, 2, 6, 3, 4, 0.5F, 1}}, model);

    EXPECT_THAT(model.state, testing::ElementsAre(0, -5, 0, 6, 0, 4, 0.5, 1));
    EXPECT_EQ(model.mask, test::mask_of({0, 1, 0, 1, 0, 1}));
    EXPECT_EQ(model.mask_version, 5U);
    ASSERT_TRUE(report.replaced);
    EXPECT_EQ(report.replaced->mask, before);
    EXPECT_EQ(report.replaced->version, 4U);
    EXPECT_DOUBLE_EQ(report.mask_change, 4.0 / 6);
    EXPECT_DOUBLE_EQ(report.pruning_error, (1.0 + 4 + 9) / (1 + 25 + 4 + 36 + 9 + 16));
}

TEST(finish_round, between_reconfigurations_keeps_the_mask) {
    const auto feddip = make_method(config_of("feddip"));
    const auto mask = test::mask_of({1, 0, 1, 1, 0, 0});
    global_model model{std::vector<float>(8), mask, 4};

    const auto report =
        finish_round(*feddip, feddip->plan(6), tiny, {.state = {1, 0, 2, 3, 0, 0, 4, 5}}, model);

    EXPECT_THAT(model.state, testing::ElementsAre(1, 0, 2, 3, 0, 0, 4, 5));
    EXPECT_EQ(model.mask, mask);
    EXPECT_EQ(model.mask_version, 4U);
    EXPECT_FALSE(report.replaced);
    EXPECT_EQ(report.mask_change, 0.0);
    EXPECT_EQ(report.pruning_error, 0.0);
}
