// Whole runs of clients with budgets.
#include "base/error.hpp"
#include "fl/budget/feasible.hpp"
#include "nn/network.hpp"
#include "unit/fl/federation.hpp"

#include <gtest/gtest.h>

#include <cmath>

using namespace feddip;
using namespace feddip::fl;
using test::small_federation;

namespace {

constexpr double weights_of_lenet5 = 61470;

// Half of the clients hold a tenth of the weights.
void give_parts(config::run_config& c, bool rotate) {
    c.links.shares = {0.5, 0.5};
    c.budget.mode = config::budget_kind::fixed;
    c.budget.density = {1, 0.1};
    c.budget.rotate = rotate;
}

void give_links(config::run_config& c, double mbit) {
    c.links.uplink_mbit = c.links.downlink_mbit = {mbit};
}

void expect_same_bits(const run_state& a, const run_state& b) {
    EXPECT_TRUE(a.model.state == b.model.state); // too many to print
    EXPECT_TRUE(a.model.mask == b.model.mask);
    ASSERT_EQ(a.history.size(), b.history.size());
    for (std::size_t t = 0; t < a.history.size(); ++t) {
        EXPECT_EQ(a.history[t].test_loss, b.history[t].test_loss);
        EXPECT_EQ(a.history[t].bytes_down, b.history[t].bytes_down);
        EXPECT_EQ(a.history[t].bytes_up, b.history[t].bytes_up);
        EXPECT_EQ(a.history[t].bytes_positions, b.history[t].bytes_positions);
        for (std::size_t k = 0; k < a.history[t].clients.size(); ++k) {
            EXPECT_EQ(a.history[t].clients[k].bytes_up, b.history[t].clients[k].bytes_up);
            EXPECT_EQ(a.history[t].clients[k].deadline_met, b.history[t].clients[k].deadline_met);
        }
    }
}

std::vector<client_record> clients_of(const run_state& state) {
    std::vector<client_record> all;
    for (const auto& round : state.history) {
        all.insert(all.end(), round.clients.begin(), round.clients.end());
    }
    return all;
}

} // namespace

TEST(budgets, of_all_weights_are_feddip_to_the_bit) {
    small_federation plain;
    small_federation fixed;
    fixed.config.budget.mode = config::budget_kind::fixed;
    small_federation generous;
    generous.config.budget.mode = config::budget_kind::bytes;
    generous.config.budget.bytes_per_round = 1e9;
    const auto expected = plain.run().state;

    expect_same_bits(fixed.run().state, expected);
    const auto ranked = generous.run().state;
    expect_same_bits(ranked, expected);
    EXPECT_TRUE(std::isnan(expected.history[0].clients[0].density));
    EXPECT_TRUE(std::isnan(ranked.history[0].coverage)) << "nobody held a part";
}

TEST(budgets, give_a_client_what_it_can_hold_and_charge_it_for_that) {
    small_federation federation;
    federation.config.federation.rounds = 6;
    give_parts(federation.config, false);

    const auto state = federation.run().state;

    int parts = 0;
    for (const auto& c : clients_of(state)) {
        const double values = 4 * (c.density * weights_of_lenet5 + 236);
        if (c.density <= 0.1) {
            ++parts;
            EXPECT_GT(c.density, 0.09) << "so much is alive until the end";
            EXPECT_EQ(c.bytes_positions, 0U);
            EXPECT_NEAR(static_cast<double>(c.bytes_up), 20 + values, 1);
            EXPECT_GE(static_cast<double>(c.bytes_down), 20 + values - 1);
            EXPECT_LT(static_cast<double>(c.bytes_down), 20 + 1.2 * values);
        }
    }
    EXPECT_GT(parts, 0);
    EXPECT_LT(parts, 18);
    for (const auto& round : state.history) {
        EXPECT_TRUE(std::isnan(round.coverage) || (round.coverage > 0.1 && round.coverage <= 1))
            << round.coverage;
        EXPECT_GT(round.test_accuracy, 0.05);
    }
}

TEST(budgets, resume_at_any_round_with_the_bits_of_an_undisturbed_run) {
    for (const bool rotate : {false, true}) {
        const auto set = [&](config::run_config& c) {
            give_parts(c, rotate);
            c.budget.mode = config::budget_kind::deadline;
            c.budget.deadline_s = 1;
            give_links(c, 2);
            c.sparsity.horizon = 3;
        };
        small_federation undisturbed;
        set(undisturbed.config);
        const auto expected = undisturbed.run().state;
        for (int stop = 1; stop < 4; ++stop) {
            small_federation first;
            set(first.config);
            const auto stopped = first.run(std::nullopt, stop);
            small_federation second;
            set(second.config);
            expect_same_bits(second.run(stopped.state).state, expected);
        }
    }
}

TEST(budgets, of_bytes_are_never_exceeded) {
    small_federation federation;
    federation.config.federation.rounds = 6;
    federation.config.budget.mode = config::budget_kind::bytes;
    federation.config.budget.bytes_per_round = 30000;

    const auto records = clients_of(federation.run().state);

    for (const auto& c : records) {
        EXPECT_LE(c.bytes_down + c.bytes_up, 30000U);
        EXPECT_GT(c.bytes_down + c.bytes_up, 28000U);
    }
}

// Half of the links carry the whole model in the time, half a tenth of it.
TEST(budgets, keep_a_deadline_that_nobody_was_told_how_to_keep) {
    small_federation federation;
    auto& c = federation.config;
    c.federation.rounds = 10;
    c.federation.local_epochs = 1;
    c.links.shares = {0.5, 0.5};
    c.links.uplink_mbit = c.links.downlink_mbit = {40, 0.4};
    c.budget.mode = config::budget_kind::deadline;
    c.budget.deadline_s = 1;

    const auto history = federation.run().state.history;

    double least = 1, most = 0;
    for (std::size_t t = 4; t < history.size(); ++t) {
        for (const auto& client : history[t].clients) {
            EXPECT_EQ(client.deadline_met, 1) << client.simulated_seconds << " in round " << t;
            least = std::min(least, client.density);
            most = std::max(most, client.density);
        }
    }
    EXPECT_LT(least, 0.15);
    EXPECT_EQ(most, 1) << "some can still train all weights where the mask is reconfigured";
}

TEST(budgets, that_cannot_be_met_are_refused_beforehand) {
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    const auto refused = [&](auto change) {
        config::run_config c;
        change(c);
        EXPECT_THROW(budgets_by_class(c, *make_method(c), layout, 1200), input_error);
    };
    using config::budget_kind;
    refused([](auto& c) { c.budget.mode = budget_kind::deadline, c.budget.deadline_s = 1; });
    refused([](auto& c) {
        c.budget.mode = budget_kind::deadline, c.budget.deadline_s = 1, c.links.latency_ms = {600};
    });
    refused([](auto& c) { c.budget.mode = budget_kind::bytes, c.budget.bytes_per_round = 500; });
    refused([](auto& c) { c.budget.mode = budget_kind::fixed, c.budget.density = {1e-6}; });
    refused([](auto& c) { c.budget.mode = budget_kind::fixed, c.method.name = "feddst"; });
    refused([](auto& c) { c.budget.mode = budget_kind::fixed, c.method.name = "dispfl"; });
    refused([](auto& c) { c.budget.mode = budget_kind::fixed, c.aggregation.rule = "median"; });

    config::run_config c;
    c.budget.mode = budget_kind::fixed;
    c.budget.density = {0.25};
    const auto classes = budgets_by_class(c, *make_method(c), layout, 1200);
    ASSERT_EQ(classes.size(), 1U);
    EXPECT_NEAR(classes[0].first, 0.25, 1e-9);
    EXPECT_NEAR(classes[0].last, 0.1, 1e-3);
}
