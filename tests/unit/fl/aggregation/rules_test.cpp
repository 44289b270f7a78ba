// What the rules of aggregation make of two clients' uploads, on one rank; tests/mpi has them on several.
#include "base/error.hpp"
#include "unit/fl/aggregation/aggregated.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <limits>

using namespace feddip;
using namespace feddip::fl;
using namespace feddip::test;
using testing::ElementsAre;

TEST(mean, weighs_clients_by_their_samples) {
    const std::vector<client> clients{{weights_a, 1}, {weights_b, 3}};

    EXPECT_THAT(aggregated("mean", sending(upload_content::in_mask), clients).state,
                ElementsAre(3.25, 0.25, 0, 0, 17.5));
    EXPECT_THAT(aggregated("mean", sending(upload_content::all_weights), clients).state,
                ElementsAre(3.25, 0.25, -0.75, 6.125, 17.5));
}

// Of a the largest two are positions 1 and 2, of b 0 and 3.
TEST(mean, counts_what_a_client_did_not_send_as_zero) {
    EXPECT_THAT(aggregated("mean", sending(upload_content::largest), {{weights_a, 1}, {weights_b, 3}}).state,
                ElementsAre(3, -0.5, 0.75, 6, 17.5));
}

// Of a weights 1 and 3 are sent, of b 0 and 1; nobody sends 2.
TEST(mean, is_over_those_who_sent_a_weight_where_the_plan_says_so) {
    auto plan = sending(upload_content::own_mask);
    plan.averages_senders = true;
    const auto all = aggregated(
        "mean", plan, {{weights_a, 1, {}, mask_of({0, 1, 0, 1})}, {weights_b, 3, {}, mask_of({1, 1, 0, 0})}});

    EXPECT_THAT(all.state, ElementsAre(4, 0.25, 0, 0.5, 17.5));
    EXPECT_THAT(all.senders, ElementsAre(0.75, 1, 0, 0.25));
}

// Of the mask's weights 0 and 1 the second is the larger one: the smaller half of the mask is that.
TEST(mean, is_over_those_who_can_hold_a_weight) {
    const auto model = model_of_first_two();
    const sparse::ladder ladder(tiny_layout, model.mask, std::span(model.state).first(4), 0);
    const sparse::ladder_part half{.level = sparse::rungs / 2};
    const auto second = ladder.part(half);
    ASSERT_EQ(second, mask_of({0, 1, 0, 0}));
    const client small_a{.weights = weights_a, .samples = 1, .own_mask = second, .part = half};
    const client small_b{.weights = weights_b, .samples = 3, .own_mask = second, .part = half};
    const client whole_b{.weights = weights_b, .samples = 3};

    const auto in_mask = aggregated("mean", sending(upload_content::in_mask), {small_a, whole_b}, &ladder);
    EXPECT_THAT(in_mask.state, ElementsAre(4, 0.25, 0, 0, 17.5));
    EXPECT_EQ(in_mask.coverage, (0.75 + 1) / 2);
    EXPECT_THAT(in_mask.layer_coverage, ElementsAre((0.75 + 1) / 2));
    EXPECT_THAT(aggregated("mean", sending(upload_content::all_weights), {small_a, whole_b}, &ladder).state,
                ElementsAre(4, 0.25, -2, 8, 17.5));

    const auto of_second =
        aggregated("mean", sending(upload_content::all_weights), {small_a, small_b}, &ladder);
    EXPECT_THAT(of_second.state, ElementsAre(1.25, 0.25, 0, 0, 17.5)) << "what nobody held keeps its value";
    EXPECT_EQ(of_second.coverage, 0.5);
}

TEST(mean, does_not_count_the_weights_of_an_update_that_is_left_out) {
    const auto model = model_of_first_two();
    const sparse::ladder ladder(tiny_layout, model.mask, std::span(model.state).first(4), 0);
    auto broken = weights_b;
    broken[4] = std::numeric_limits<float>::infinity();
    const client small_a{.weights = weights_a,
                         .samples = 1,
                         .own_mask = ladder.part({.level = sparse::rungs / 2}),
                         .part = {.level = sparse::rungs / 2}};
    EXPECT_THAT(aggregated("mean", sending(upload_content::in_mask), {small_a, {broken, 3}}, &ladder).state,
                ElementsAre(1.25, -2, 0, 0, 10));
}

TEST(mean, carries_squared_gradients) {
    auto plan = sending(upload_content::in_mask);
    plan.squared_gradients = true;
    const auto all = aggregated("mean", plan, {{weights_a, 1, {1, 2, 3, 4}}, {weights_b, 3, {4, 3, 2, 1}}});

    EXPECT_THAT(all.state, ElementsAre(3.25, 0.25, 0, 0, 17.5));
    EXPECT_THAT(all.squared_gradients, ElementsAre(3.25, 2.75, 2.25, 1.75));
}

TEST(median, takes_the_middle_value_whatever_the_samples) {
    const std::vector<client> clients{{{1, 9, 0, 0, 5}, 1}, {{2, 7, 0, 0, 90}, 100}, {{30, 8, 0, 0, 6}, 1}};

    EXPECT_THAT(aggregated("median", sending(upload_content::in_mask), clients).state,
                ElementsAre(2, 8, 0, 0, 6));
}

TEST(median, of_two_is_their_mean) {
    EXPECT_THAT(
        aggregated("median", sending(upload_content::all_weights), {{weights_a, 1}, {weights_b, 3}}).state,
        ElementsAre(2.5, -0.5, 0.5, 4.25, 15));
}

TEST(median, asks_only_those_who_sent_a_weight) {
    auto plan = sending(upload_content::own_mask);
    const std::vector<client> clients{{weights_a, 1, {}, mask_of({0, 1, 0, 1})},
                                      {{4, 1, -2, 8, 20}, 3, {}, mask_of({0, 1, 0, 0})}};
    EXPECT_THAT(aggregated("median", plan, clients).state, ElementsAre(1.25, -0.5, 0, 0.5, 15))
        << "the first is the model's";

    plan.averages_senders = true;
    const auto all = aggregated("median", plan, clients);
    EXPECT_THAT(all.state, ElementsAre(0, -0.5, 0, 0.5, 15)) << "the first gives way";
    EXPECT_THAT(all.senders, ElementsAre(0, 1, 0, 0.25));
}

TEST(median, carries_squared_gradients) {
    auto plan = sending(upload_content::in_mask);
    plan.squared_gradients = true;
    const auto all = aggregated(
        "median", plan,
        {{weights_a, 1, {1, 2, 3, 4}}, {weights_b, 3, {4, 3, 2, 1}}, {weights_a, 1, {3, 9, 9, 9}}});

    EXPECT_THAT(all.squared_gradients, ElementsAre(3, 3, 3, 4));
}

TEST(every_rule, leaves_out_updates_with_nan_or_infinity) {
    auto poisoned = weights_a;
    poisoned[4] = std::numeric_limits<float>::infinity();
    for (const auto& rule : aggregation_names()) {
        for (const auto content :
             {upload_content::in_mask, upload_content::all_weights, upload_content::largest}) {
            const auto all = aggregated(rule, sending(content),
                                        {{poisoned, 7}, {weights_b, 1}, {weights_b, 1}, {weights_b, 1}});

            EXPECT_FLOAT_EQ(all.state.back(), 20.0F) << rule;
            EXPECT_FLOAT_EQ(all.state.front(), 4.0F) << rule;
        }
    }
}

TEST(aggregation_registry, names_the_rules_there_are) {
    config::run_config config;
    config.aggregation.rule = "meen";
    try {
        make_aggregation_rule(config);
        FAIL();
    } catch (const input_error& e) {
        EXPECT_THAT(e.what(), testing::HasSubstr("choose one of mean, median"));
    }
}
