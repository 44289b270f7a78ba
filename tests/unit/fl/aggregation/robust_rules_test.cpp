// The rules that withstand hostile clients, each against a computation by hand. The model is 1.25 2 0 0 | 5,
// of which clients send 1.25 2 | 5 where they send what is in the mask.
#include "base/error.hpp"
#include "unit/fl/aggregation/aggregated.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

using namespace feddip;
using namespace feddip::fl;
using namespace feddip::test;
using testing::ElementsAre;
using testing::FloatNear;

namespace {

// Clients that change the first two weights of the model by so much.
std::vector<client> moving(const std::vector<std::pair<float, float>>& changes) {
    std::vector<client> clients;
    for (const auto& [first, second] : changes) {
        clients.push_back({{1.25F + first, 2 + second, 0, 0, 5}, 1});
    }
    return clients;
}

aggregated_round in_mask(const config::aggregation_section& settings, const std::vector<client>& clients) {
    return round_of(settings, sending(upload_content::in_mask), clients);
}

// What the round makes of the first two weights, as changes.
testing::Matcher<const aggregated_round&> moves(double first, double second) {
    return testing::ResultOf([](const aggregated_round& round) { return round.all.state; },
                             ElementsAre(FloatNear(static_cast<float>(1.25 + first), 1e-5F),
                                         FloatNear(static_cast<float>(2 + second), 1e-5F), 0, 0, 5));
}

const std::vector<std::string> all_but_the_mean{
    "median", "trimmed_mean", "krum", "multi_krum", "geometric_median", "centered_clipping", "norm_bound"};

} // namespace

TEST(trimmed_mean, leaves_out_the_largest_and_the_smallest_whatever_the_samples) {
    const std::vector<client> clients{
        {{1, 9, 0, 0, 5}, 1}, {{2, 7, 0, 0, 90}, 100}, {{30, 8, 0, 0, 6}, 1}, {{4, -8, 0, 0, 7}, 1}};

    EXPECT_THAT(in_mask({.rule = "trimmed_mean", .hostile = 1}, clients).all.state,
                ElementsAre(3, 7.5, 0, 0, 6.5));
    EXPECT_THAT(in_mask({.rule = "trimmed_mean"}, clients).all.state, ElementsAre(9.25, 4, 0, 0, 27));
}

// The second weight is sent by three, the third by two, the fourth by one.
TEST(trimmed_mean, keeps_what_only_hostile_clients_may_have_sent_and_lets_go_what_nobody_did) {
    auto plan = sending(upload_content::own_mask);
    plan.averages_senders = true;
    const auto round = round_of({.rule = "trimmed_mean", .hostile = 1}, plan,
                                {{{9, 4, 7, 7, 5}, 1, {}, mask_of({0, 1, 1, 1})},
                                 {{9, 5, 8, 8, 6}, 1, {}, mask_of({0, 1, 1, 0})},
                                 {{9, 60, 9, 9, 7}, 2, {}, mask_of({0, 1, 0, 0})}});

    EXPECT_THAT(round.all.state, ElementsAre(0, 5, 0, 0, 6));
    EXPECT_THAT(round.all.senders, ElementsAre(0, 1, 0.5, 0.25));
}

// Squared distances to the two nearest of the others: 10, 5, 6.25, 14.5, and more than 2 * 95^2.
TEST(krum, takes_the_update_nearest_to_its_neighbours_as_it_was_sent) {
    const auto round =
        in_mask({.rule = "krum", .hostile = 1}, moving({{0, 0}, {1, 0}, {3, 0}, {4.5F, 0}, {100, 0}}));

    EXPECT_THAT(round.all.state, ElementsAre(2.25, 2, 0, 0, 5));
    EXPECT_THAT(round.left_out, ElementsAre(0, 2, 3, 4));
}

TEST(krum, takes_the_lower_slot_of_equals) {
    const auto round = in_mask({.rule = "krum"}, moving({{10, 0}, {0, 0}, {0, 1}}));

    EXPECT_THAT(round, moves(0, 0));
    EXPECT_THAT(round.left_out, ElementsAre(0, 2));
}

TEST(multi_krum, averages_the_n_minus_f_minus_2_nearest) {
    const auto round =
        in_mask({.rule = "multi_krum", .hostile = 1}, moving({{0, 0}, {1, 0}, {3, 0}, {4.5F, 0}, {100, 0}}));

    EXPECT_THAT(round, moves(2, 0));
    EXPECT_THAT(round.left_out, ElementsAre(0, 3, 4));
}

// Of the corners of a convex quadrilateral it is where the diagonals cross.
TEST(geometric_median, is_the_point_of_least_distances) {
    const auto round = in_mask({.rule = "geometric_median"}, moving({{0, 0}, {4, 0}, {4, 4}, {0, 1}}));

    EXPECT_THAT(round, moves(0.8, 0.8));
    EXPECT_TRUE(round.left_out.empty());
}

// The centre goes through 1, 4/3, 13/9, 40/27, 121/81.
TEST(centered_clipping, moves_its_centre_by_clipped_steps) {
    EXPECT_THAT(in_mask({.rule = "centered_clipping", .clip = 1}, moving({{1, 0}, {1, 0}, {100, 0}})),
                moves(121.0 / 81, 0));
}

// With the median distance as radius: 1, then all three are no nearer than 0 to the first two.
TEST(centered_clipping, takes_the_median_distance_as_its_radius) {
    EXPECT_THAT(in_mask({.rule = "centered_clipping"}, moving({{1, 0}, {1, 0}, {100, 0}})), moves(1, 0));
}

TEST(norm_bound, scales_long_updates_down) {
    EXPECT_THAT(in_mask({.rule = "norm_bound", .clip = 1}, moving({{0.5F, 0}, {3, 4}})), moves(0.55, 0.4));
    EXPECT_THAT(in_mask({.rule = "norm_bound", .clip = 100}, moving({{0.5F, 0}, {3, 4}})), moves(1.75, 2));
}

TEST(norm_bound, is_the_median_norm_where_none_is_given) {
    EXPECT_THAT(in_mask({.rule = "norm_bound"}, moving({{0.5F, 0}, {3, 4}})), moves(0.4, 0.2));
}

// The second weight both send, the fourth the first client alone, the others nobody.
TEST(norm_bound, takes_what_a_client_did_not_send_as_no_change_and_lets_go_what_nobody_did) {
    auto plan = sending(upload_content::own_mask);
    plan.averages_senders = true;
    const auto round =
        round_of({.rule = "norm_bound", .clip = 1000}, plan,
                 {{weights_a, 1, {}, mask_of({0, 1, 0, 1})}, {weights_b, 3, {}, mask_of({0, 1, 0, 0})}});

    EXPECT_THAT(round.all.state, ElementsAre(0, -0.5, 0, 0.25, 15));
    EXPECT_THAT(round.all.senders, ElementsAre(0, 1, 0, 0.5));
}

// Nobody sends the same two weights. In changes: (0, 1, 0, 0), (0, 0, 2, 0), (3, 0, 0, 0), of squared
// distances 5, 10 and 13.
TEST(krum, measures_what_a_client_did_not_send_as_no_change_and_lets_go_what_the_chosen_one_did_not) {
    auto plan = sending(upload_content::own_mask);
    plan.averages_senders = true;
    const auto round = round_of({.rule = "krum"}, plan,
                                {{{9, 3, 9, 9, 5}, 1, {}, mask_of({0, 1, 0, 0})},
                                 {{9, 9, 2, 9, 5}, 1, {}, mask_of({0, 0, 1, 0})},
                                 {{4.25F, 9, 9, 9, 5}, 1, {}, mask_of({1, 0, 0, 0})}});

    EXPECT_THAT(round.all.state, ElementsAre(0, 3, 0, 0, 5));
    EXPECT_THAT(round.all.senders, ElementsAre(0, 1, 0, 0));
}

TEST(all_but_the_mean, take_the_median_of_squared_gradients) {
    auto plan = sending(upload_content::in_mask);
    plan.squared_gradients = true;
    const std::vector<client> clients{
        {weights_a, 1, {1, 2, 3, 4}}, {weights_b, 3, {4, 3, 2, 1}}, {weights_a, 1, {3, 900, 9, 9}}};
    for (const auto& rule : all_but_the_mean) {
        if (rule != "trimmed_mean") {
            EXPECT_THAT(round_of({.rule = rule}, plan, clients).all.squared_gradients,
                        ElementsAre(3, 3, 3, 4))
                << rule;
        }
    }
}

TEST(all_but_the_mean, withstand_an_update_as_large_as_numbers_go) {
    constexpr float largest = std::numeric_limits<float>::max();
    auto clients = moving({{2.5F, 2}, {2, 2.5F}, {2.5F, 2.5F}, {2, 2}, {2.25F, 2}, {2, 2}});
    std::ranges::for_each(clients, [](client& c) { c.weights[4] += 2; });
    clients.insert(clients.begin() + 2, client{{largest, -largest, 0, 0, largest}, 1});
    for (const auto& rule : all_but_the_mean) {
        const auto state = in_mask({.rule = rule, .hostile = 1}, clients).all.state;

        EXPECT_NEAR(state[0], 1.25 + 2.25, 0.8) << rule;
        EXPECT_NEAR(state[1], 2 + 2.25, 0.8) << rule;
        EXPECT_NEAR(state[4], 5 + 2, 0.8) << rule;
    }
}

TEST(all_but_the_mean, withstand_the_most_hostile_clients_where_their_updates_are_not_finite) {
    constexpr float infinite = std::numeric_limits<float>::infinity();
    for (const auto& rule : all_but_the_mean) {
        auto clients = moving({{2, 2}, {2.5F, 2}});
        if (rule.ends_with("krum")) {
            clients.insert(clients.end(), 2, clients.front());
        }
        clients.insert(clients.begin() + 1, client{{infinite, 2, 0, 0, 5}, 1});
        const auto state = in_mask({.rule = rule, .hostile = 1}, clients).all.state;

        EXPECT_NEAR(state[0], 1.25 + 2.25, 0.3) << rule;
        EXPECT_NEAR(state[1], 2 + 2, 0.3) << rule;
    }
}

// It can be an honest one's that diverged, beside which the hostile one is still there.
TEST(all_but_the_mean, withstand_as_many_beside_an_update_that_is_not_finite_where_enough_are_left) {
    constexpr float infinite = std::numeric_limits<float>::infinity();
    for (const auto& rule : all_but_the_mean) {
        auto clients = moving({{2, 2}, {2.5F, 2}, {2, 2}, {2, 2}, {-1e6F, 2}});
        clients.push_back({{infinite, 2, 0, 0, 5}, 1});
        const auto state = in_mask({.rule = rule, .hostile = 1}, clients).all.state;

        EXPECT_NEAR(state[0], 1.25 + 2, 1.6) << rule; // norm_bound takes as much of it as of an honest one
    }
}

TEST(all_but_the_mean, refuse_rounds_that_are_too_small) {
    for (const auto& rule : all_but_the_mean) {
        config::run_config config;
        config.aggregation = {.rule = rule, .hostile = 2};
        const bool is_krum = rule.ends_with("krum");
        config.federation.clients_per_round = is_krum ? 7 : 5;
        EXPECT_EQ(make_aggregation_rule(config)->least_updates(0), config.federation.clients_per_round)
            << rule;

        --config.federation.clients_per_round;
        try {
            make_aggregation_rule(config);
            ADD_FAILURE() << rule;
        } catch (const input_error& e) {
            EXPECT_THAT(e.what(), testing::HasSubstr(is_krum ? "needs 7 clients" : "needs 5 clients"));
        }
    }
}
