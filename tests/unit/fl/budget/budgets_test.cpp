// Whole runs of clients with budgets.
#include "base/error.hpp"
#include "fl/budget/controller.hpp"
#include "fl/budget/feasible.hpp"
#include "fl/link_model.hpp"
#include "fl/local_trainer.hpp"
#include "fl/message.hpp"
#include "nn/network.hpp"
#include "sparse/magnitude.hpp"
#include "unit/fl/federation.hpp"
#include "unit/io/compare.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>
#include <vector>

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

// How small clients' parts change while the mask stays: not at all, in turns, or as the weights grow.
struct part_changes {
    bool rotate = false;
    int ranked_every = 0;
};

constexpr part_changes all_part_changes[] = {{}, {.rotate = true}, {.ranked_every = 1}, {true, 2}};

void give_links(config::run_config& c, double mbit) {
    c.links.uplink_mbit = c.links.downlink_mbit = {mbit};
}

// But for what the clock says.
void expect_same_bits(const run_state& a, const run_state& b) {
    EXPECT_TRUE(a.model.state == b.model.state); // too many to print
    EXPECT_TRUE(a.model.mask == b.model.mask);
    using namespace io::testing;
    expect_same(without_times(a.history), without_times(b.history));
}

// And for what is told of budgets alone.
void expect_same_training(run_state with_budgets, const run_state& b) {
    for (auto& round : with_budgets.history) {
        round.layer_coverage.clear();
        for (auto& c : round.clients) {
            c.density = c.feedback = not_measured;
        }
    }
    expect_same_bits(with_budgets, b);
}

// That a budget is refused for not having.
double least_bytes(config::run_config c) {
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    c.budget.bytes_per_round = 1;
    try {
        budgets_by_class(c, *make_method(c), layout, 100);
    } catch (const input_error& e) {
        const std::string said = e.what();
        return std::stod(said.substr(said.find("less than the ") + 14));
    }
    return 0;
}

// The last of the masks have fewer weights on a rung than there are layers.
void give_the_least_from(double sparsity, config::run_config& c) {
    c.sparsity.initial = sparsity;
    c.sparsity.target = 0.95;
    c.sparsity.horizon = 1;
    c.budget.mode = config::budget_kind::bytes;
    c.budget.bytes_per_round = least_bytes(c);
}

void expect_to_last(const std::function<void(config::run_config&)>& give_the_least) {
    small_federation federation;
    federation.config.federation.rounds = 12;
    give_the_least(federation.config);
    EXPECT_EQ(federation.run().state.rounds_done, 12);
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

    expect_same_training(fixed.run().state, expected);
    const auto ranked = generous.run().state;
    expect_same_training(ranked, expected);
    EXPECT_TRUE(std::isnan(expected.history[0].clients[0].density));
    EXPECT_TRUE(std::isnan(ranked.history[0].coverage)) << "nobody held a part";
}

// What bf16 rounds away comes back whole, as it does where there are no budgets.
TEST(budgets, of_all_weights_are_feddip_in_bf16_too) {
    small_federation plain, generous;
    for (auto* federation : {&plain, &generous}) {
        federation->config.communication.value_type = config::value_kind::bf16;
    }
    generous.config.budget.mode = config::budget_kind::bytes;
    generous.config.budget.bytes_per_round = 1e9;
    expect_same_training(generous.run().state, plain.run().state);
}

TEST(budgets, give_a_client_what_it_can_hold_and_charge_it_for_that) {
    small_federation federation;
    federation.config.federation.rounds = 6;
    give_parts(federation.config, false);

    const auto state = federation.run().state;

    const link_model links(federation.config);
    int parts = 0;
    for (const auto& c : clients_of(state)) {
        const double values = 4 * (c.density * weights_of_lenet5 + 236);
        if (links.class_of(c.id) == 1) {
            ++parts;
            EXPECT_LE(c.density, 0.1);
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
    for (const auto& changes : all_part_changes) {
        const auto set = [&](config::run_config& c) {
            give_parts(c, changes.rotate);
            c.budget.ranked_every = changes.ranked_every;
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
            second.residuals = first.residuals;
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

namespace {

// The server's model with nothing outside the part.
global_model part_of(const global_model& whole, const sparse::ladder& ladder, sparse::ladder_part part) {
    global_model cut = whole;
    if (part.level < sparse::rungs) {
        cut.mask = ladder.part(part);
        sparse::apply(cut.mask, std::span(cut.state).first(cut.mask.size()));
    }
    return cut;
}

// The messages that would bring `sent` to a client that holds `held`: without a mask where it has it, as the
// difference to it, and whole. Masks have a version each here, those of parts too.
std::vector<std::vector<std::byte>> messages_for(const global_model& held, global_model& sent,
                                                 const parameter_layout& layout) {
    const versioned_mask known{held.mask_version, held.mask};
    const bool has_it = sent.mask == held.mask;
    sent.mask_version = has_it ? held.mask_version : held.mask_version + 1;
    std::vector<std::vector<std::byte>> all{encode(sent, layout, 0, &known)};
    if (!has_it) {
        all.push_back(encode(sent, layout, 0, nullptr));
    }
    return all;
}

// Sends every download of a run again, from what is recorded: each client receives the part that it is said
// to hold, by a message of as many bytes as it was charged.
void expect_that_messages_are_what_was_charged(const small_federation& ran) {
    const auto layout = nn::layout_of(ran.config.model, ran.data.facts.shape, 10);
    const auto tail = layout.size() - layout.prunable_size();
    std::vector<global_model> clients(
        4, {.state = {}, .mask = {layout.prunable_size(), true}, .mask_version = 0});
    const run_state* before = &ran.seen.started_from;
    for (const auto& after : ran.seen.states) {
        const auto& round = after.history.back();
        for (const auto& c : round.clients) {
            auto& held = clients[static_cast<std::size_t>(c.id)];
            const auto part = after.client_part.empty()
                                  ? sparse::ladder_part{}
                                  : after.client_part[static_cast<std::size_t>(c.id)].part;
            auto sent = part_of(before->model, after.ladder, part);
            const auto messages = messages_for(held, sent, layout);
            const auto charged = std::ranges::find(messages, c.bytes_down, &std::vector<std::byte>::size);
            ASSERT_NE(charged, messages.end()) << c.bytes_down << " bytes in round " << round.round;
            decode(*charged, layout, held);
            EXPECT_TRUE(held.mask == sent.mask);
            EXPECT_TRUE(held.state == sent.state);

            const bool trains_all = !part.limited() && (round.round - 1) % ran.config.sparsity.horizon == 0;
            const auto trained = trains_all ? layout.prunable_size() : sent.mask.count();
            EXPECT_EQ(c.bytes_up,
                      header_bytes + sizeof(float) * upload_length(layout, sent.mask, trains_all));
            EXPECT_EQ(c.density * weights_of_lenet5, static_cast<double>(trained));
            EXPECT_EQ(upload_length(layout, sent.mask, trains_all), trained + tail);
        }
        before = &after;
    }
}

} // namespace

TEST(budgets, are_kept_by_the_messages_themselves) {
    int met = 0;
    const auto run = [&](auto change) {
        small_federation federation;
        auto& c = federation.config;
        c.federation.rounds = 9;
        c.federation.local_epochs = 1;
        c.sparsity.horizon = 3;
        change(c);
        federation.run();
        expect_that_messages_are_what_was_charged(federation);
        const link_model links(c);
        for (const auto& client : clients_of(federation.seen.states.back())) {
            const double seconds =
                links.seconds({.client = client.id,
                               .bytes_down = static_cast<double>(client.bytes_down),
                               .bytes_up = static_cast<double>(client.bytes_up),
                               .images = static_cast<double>(client.samples) * c.federation.local_epochs});
            EXPECT_LE(client.density, largest_density(c.budget, links.class_of(client.id)));
            if (c.budget.mode == config::budget_kind::bytes) {
                EXPECT_LE(client.bytes_down + client.bytes_up, c.budget.bytes_per_round);
            }
            if (c.budget.mode == config::budget_kind::deadline) {
                EXPECT_EQ(client.deadline_met == 1, seconds <= c.budget.deadline_s);
                met += client.deadline_met;
            }
        }
    };
    using config::budget_kind;
    for (const auto& changes : all_part_changes) {
        const auto set = [&](auto& c) {
            c.budget.rotate = changes.rotate;
            c.budget.ranked_every = changes.ranked_every;
        };
        run([&](auto& c) {
            c.budget.mode = budget_kind::bytes, c.budget.bytes_per_round = 30000;
            set(c);
        });
        run([&](auto& c) {
            give_parts(c, false);
            set(c);
        });
        run([&](auto& c) {
            c.budget.mode = budget_kind::deadline, c.budget.deadline_s = 1;
            give_links(c, 2);
            set(c);
        });
    }
    EXPECT_GT(met, 0);
}

// Where the mask rests: as it was at the start, or as the model is every other round.
TEST(budgets, rank_weights_when_asked_to) {
    for (const int every : {0, 2}) {
        small_federation federation;
        auto& c = federation.config;
        c.method.name = "fedavg";
        c.federation.rounds = 5;
        give_parts(c, false);
        c.budget.ranked_every = every;
        federation.run();

        const auto layout = nn::layout_of(c.model, federation.data.facts.shape, 10);
        const auto& states = federation.seen.states;
        for (int t = 0; t < c.federation.rounds; ++t) {
            const int ranked_in = every > 0 ? t - t % every : 0;
            const auto& model = ranked_in == 0 ? federation.seen.started_from.model
                                               : states[static_cast<std::size_t>(ranked_in) - 1].model;
            const sparse::ladder expected(layout, model.mask,
                                          std::span(model.state).first(layout.prunable_size()),
                                          c.budget.layer_floor);
            EXPECT_TRUE(
                std::ranges::equal(states[static_cast<std::size_t>(t)].ladder.rung_of(), expected.rung_of()))
                << "in round " << t << ", ranked every " << every;
        }
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

// From the sixth round on links carry a tenth of what they did.
TEST(budgets, keep_a_deadline_again_in_three_rounds_after_links_drop_to_a_tenth) {
    const auto with_links = [](small_federation& federation, double mbit) {
        auto& c = federation.config;
        c.federation.rounds = 16;
        c.federation.local_epochs = 1;
        c.budget.mode = config::budget_kind::deadline;
        c.budget.deadline_s = 1;
        give_links(c, mbit);
    };
    small_federation before, after;
    with_links(before, 2);
    with_links(after, 0.2);
    const auto stopped = before.run(std::nullopt, 5).state;
    after.residuals = before.residuals;

    const auto history = after.run(stopped).state.history;

    std::map<int, int> rounds_since;
    int late = 0;
    for (std::size_t t = 5; t < history.size(); ++t) {
        for (const auto& client : history[t].clients) {
            const int its = ++rounds_since[client.id];
            late += client.deadline_met == 0 ? 1 : 0;
            EXPECT_TRUE(its <= 3 || client.deadline_met == 1)
                << client.simulated_seconds << " in round " << its << " of client " << client.id;
        }
    }
    EXPECT_GT(late, 0) << "the drop is felt";
}

namespace {

// Nobody's link carries more than a part of the weights in the time.
void give_narrow_links(config::run_config& c) {
    c.federation.rounds = 7;
    c.federation.clients_per_round = 4; // all of them in all rounds
    c.sparsity.horizon = 3;
    c.budget.mode = config::budget_kind::deadline;
    c.budget.deadline_s = 1;
    give_links(c, 1);
}

} // namespace

TEST(budgets, let_what_a_link_did_not_carry_come_back_by_its_age) {
    small_federation federation;
    give_narrow_links(federation.config);

    const auto state = federation.run().state;

    const double one_round_old = 1 / std::sqrt(2.0);
    const auto damping = static_cast<float>(one_round_old);
    for (std::size_t t = 0; t < state.history.size(); ++t) {
        for (const auto& c : state.history[t].clients) {
            EXPECT_TRUE(t == 0 ? std::isnan(c.feedback) : c.feedback == one_round_old) << t;
        }
    }
    for (int client = 0; client < 4; ++client) {
        // Rounds 0, 3 and 6 reconfigure: in the others nothing is added to what is kept, which fades with
        // each.
        for (const int t : {1, 2, 4, 5}) {
            const auto kept = federation.residuals.load(client, t - 1);
            const auto left = federation.residuals.load(client, t);
            std::size_t stays = 0;
            for (std::size_t i = 0; i < kept.size(); ++i) {
                ASSERT_TRUE(left[i] == damping * kept[i] || left[i] == 0) << i << " in round " << t;
                stays += left[i] != 0 ? 1 : 0;
            }
            EXPECT_GT(stays, 0U);
        }
        EXPECT_NE(federation.residuals.load(client, 3), federation.residuals.load(client, 2));
    }
}

TEST(budgets, refuse_what_a_client_kept_of_another_model) {
    small_federation federation;
    give_narrow_links(federation.config);
    const auto stopped = federation.run(std::nullopt, 2).state;
    federation.residuals.save(1, 1, std::vector<float>(7));

    EXPECT_THROW(federation.run(stopped), error);
}

TEST(budgets, without_feedback_keep_nothing) {
    small_federation federation, with_feedback;
    give_narrow_links(federation.config);
    give_narrow_links(with_feedback.config);
    federation.config.budget.feedback = {.adaptive = false, .fixed = 0};

    const auto state = federation.run().state;

    EXPECT_EQ(state.client_kept_in, std::vector<std::int32_t>(4, -1));
    for (const auto& c : clients_of(state)) {
        EXPECT_TRUE(std::isnan(c.feedback));
    }
    EXPECT_FALSE(with_feedback.run().state.model.state == state.model.state);
}

// With as little as can be, while a rung of the mask has fewer weights than there are layers.
TEST(budgets, that_turn_leave_every_layer_some_weights) {
    small_federation federation;
    auto& c = federation.config;
    c.federation.rounds = 6;
    c.sparsity.layer_floor = 0.01; // that no mask lets one die
    c.budget.rotate = true;
    give_the_least_from(0.93, c);

    for (const auto& round : federation.run().state.history) {
        for (const double covered : round.layer_coverage) {
            EXPECT_GT(covered, 0) << "in round " << round.round;
        }
    }
}

// The smallest part grows where a rung comes to have fewer weights than there are layers.
TEST(budgets, that_are_advised_last_to_the_end) {
    expect_to_last([](auto& c) { give_the_least_from(0.912, c); });
}

// Positions are sent in every round there.
TEST(budgets, that_are_advised_last_where_parts_change_in_every_round) {
    expect_to_last([](auto& c) {
        c.method.name = "fedavg";
        c.budget.ranked_every = 1;
        c.budget.mode = config::budget_kind::bytes;
        c.budget.bytes_per_round = least_bytes(c);
    });
}

TEST(budgets, settle_where_it_was_foreseen_though_parts_change_in_every_round) {
    small_federation federation;
    auto& c = federation.config;
    c.method.name = "fedavg";
    c.federation.rounds = 12;
    c.budget.ranked_every = 1;
    c.budget.mode = config::budget_kind::deadline;
    c.budget.deadline_s = 1;
    give_links(c, 0.8);
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    const double foreseen = budgets_by_class(c, *make_method(c), layout, 100)[0].first;

    for (const auto& client : federation.run().state.history.back().clients) {
        EXPECT_NEAR(client.density, foreseen, 0.02 * foreseen);
    }
}

TEST(budgets, count_what_training_takes_by_the_clock_where_asked_to) {
    small_federation federation;
    auto& c = federation.config;
    give_links(c, 1);
    c.links.train_ms_per_image = {1000};
    c.budget.mode = config::budget_kind::deadline;
    c.budget.deadline_s = 1;
    c.budget.times = config::times_kind::measured;
    const link_model links(c);

    for (const auto& client : clients_of(federation.run().state)) {
        const double over_links = links.seconds({.client = client.id,
                                                 .bytes_down = static_cast<double>(client.bytes_down),
                                                 .bytes_up = static_cast<double>(client.bytes_up)});
        EXPECT_GT(client.seconds_train, 0);
        EXPECT_DOUBLE_EQ(client.simulated_seconds, over_links + client.seconds_train);
    }
}

TEST(budgets, name_clients_that_no_part_lets_keep_the_deadline) {
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    config::run_config c;
    c.links.train_ms_per_image = {1};
    c.budget.mode = config::budget_kind::deadline;
    c.budget.deadline_s = 8;
    const std::vector<double> images{1200, 3066, 1590};

    const auto late = never_in_time(c, *make_method(c), layout, images);

    ASSERT_EQ(late.size(), 1U);
    EXPECT_EQ(late[0].client, 1);
    EXPECT_NEAR(late[0].seconds, 5 * 3.066, 1e-9);
    c.budget.mode = config::budget_kind::none;
    EXPECT_TRUE(never_in_time(c, *make_method(c), layout, images).empty());
}

// All weights go up in a round that reconfigures.
TEST(budgets, tell_whether_weights_come_back_into_the_mask) {
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    const auto carries_all = [&](config::budget_kind mode, double limit, const char* method) {
        config::run_config c;
        c.method.name = method;
        give_links(c, 1);
        c.budget.mode = mode;
        c.budget.deadline_s = c.budget.bytes_per_round = limit;
        if (mode == config::budget_kind::fixed) {
            c.budget.density = {limit};
        }
        return budgets_by_class(c, *make_method(c), layout, 1200).at(0).carries_all;
    };
    using config::budget_kind;
    EXPECT_TRUE(carries_all(budget_kind::fixed, 1, "feddip"));
    EXPECT_FALSE(carries_all(budget_kind::fixed, 0.9999999, "feddip"));
    // 3 of 4 bytes of 2 x 249,736.
    EXPECT_TRUE(carries_all(budget_kind::bytes, 400000, "feddip"));
    EXPECT_FALSE(carries_all(budget_kind::bytes, 360000, "feddip"));
    EXPECT_TRUE(carries_all(budget_kind::deadline, 8 * 0.4 / 0.9, "feddip"));
    EXPECT_FALSE(carries_all(budget_kind::deadline, 8 * 0.36 / 0.9, "feddip"));
    EXPECT_TRUE(carries_all(budget_kind::fixed, 0.1, "fedavg")) << "whose mask has all weights";
}

// Without a step nothing moves: what is outside the part is then 0, not what the server has there.
TEST(budgets, begin_outside_their_part_from_nothing) {
    small_federation what;
    nn::network network{{.kernels = config::kernel_kind::dense}};
    local_trainer trainer{what.config, what.data, network};
    global_model model{
        std::vector<float>(network.layout().size()), {network.layout().prunable_size(), true}, 0};
    initialize(network.layout(), 1, model.state);
    const auto half = sparse::prune_smallest(std::span(model.state).first(model.mask.size()), 0.5);
    round_plan plan;
    plan.keeps_outside = true;

    trainer.train(model, half, plan, 0, what.shares.train[0], [] {});
    for (std::size_t i = 0; i < half.size(); ++i) {
        ASSERT_EQ(trainer.weights()[i], half[i] ? model.state[i] : 0.0F) << i;
    }

    plan.sgd.learning_rate = 0.1F;
    trainer.train(model, half, plan, 0, what.shares.train[0], [] {});
    std::size_t moved = 0;
    for (std::size_t i = 0; i < half.size(); ++i) {
        moved += !half[i] && trainer.weights()[i] != 0 ? 1 : 0;
    }
    EXPECT_GT(moved, half.size() / 4);
}

// Half of the links take ten times as long as there is time.
namespace {

void drop_the_slow_half(config::run_config& c) {
    c.federation.rounds = 8;
    c.links.shares = {0.5, 0.5};
    c.links.uplink_mbit = c.links.downlink_mbit = {40, 0.4};
    c.budget.mode = config::budget_kind::drop;
    c.budget.deadline_s = 1;
}

} // namespace

TEST(budgets, that_drop_late_clients_wait_for_nobody) {
    small_federation federation;
    drop_the_slow_half(federation.config);

    const auto state = federation.run().state;

    int late = 0;
    int in_time = 0;
    for (const auto& round : state.history) {
        const auto is_late = [](const client_record& r) { return r.deadline_met == 0; };
        for (const auto& r : round.clients) {
            EXPECT_EQ(r.included, is_late(r) ? 0 : 1);
            EXPECT_EQ(r.bytes_up == 0, is_late(r)) << r.bytes_up;
            EXPECT_GT(r.bytes_down, 0U) << "it was asked";
            EXPECT_TRUE(is_late(r) ? r.simulated_seconds == 1 : r.simulated_seconds < 0.5);
            (is_late(r) ? late : in_time) += 1;
        }
        EXPECT_EQ(round.simulated_seconds == 1, std::ranges::any_of(round.clients, is_late));
    }
    EXPECT_GT(late, 0);
    EXPECT_GT(in_time, 0);
}

TEST(budgets, that_drop_late_clients_end_a_round_at_the_deadline_when_others_drop_out) {
    small_federation federation;
    drop_the_slow_half(federation.config);
    federation.config.faults.drop_probability = 0.5;

    const auto state = federation.run().state;

    int slow_drop_outs = 0;
    const link_model links(federation.config);
    for (const auto& round : state.history) {
        const auto drops_out = [](const client_record& r) { return r.dropped_out != 0; };
        EXPECT_EQ(round.simulated_seconds == 1, std::ranges::any_of(round.clients, drops_out))
            << "nobody knows who won't answer";
        EXPECT_LE(round.simulated_seconds, 1);
        for (const auto& r : round.clients) {
            EXPECT_EQ(r.link_class, static_cast<int>(links.class_of(r.id)));
            slow_drop_outs += r.simulated_seconds > 1 ? 1 : 0; // whose own download lasts
        }
    }
    EXPECT_GT(slow_drop_outs, 0);
}

TEST(budgets, record_no_feedback_of_clients_that_drop_out) {
    small_federation federation;
    give_narrow_links(federation.config);
    federation.config.faults.drop_probability = 0.4;

    const auto state = federation.run().state;

    int came_back = 0, dropped_out = 0;
    for (const auto& round : state.history) {
        for (const auto& r : round.clients) {
            EXPECT_TRUE(r.dropped_out == 0 || std::isnan(r.feedback));
            dropped_out += r.dropped_out;
            came_back += std::isnan(r.feedback) ? 0 : 1;
        }
    }
    EXPECT_GT(dropped_out, 0);
    EXPECT_GT(came_back, 0);
}

namespace {

// The weights and biases of LeNet-5's slice with `share` of the units of its hidden layers.
std::pair<double, double> sliced_lenet5(double share) {
    const auto units = [&](double n) { return std::ceil(share * n); };
    const double c1 = units(6), c2 = units(16), f1 = units(120), f2 = units(84);
    return {25 * c1 + 25 * c1 * c2 + 25 * c2 * f1 + f1 * f2 + f2 * 10, c1 + c2 + f1 + f2 + 10};
}

void give_slices(config::run_config& c, config::ranking_kind ranking) {
    c.method.name = "fedavg";
    c.budget.mode = config::budget_kind::fixed;
    c.budget.density = {0.1};
    c.budget.ranking = ranking;
}

std::size_t moved(const run_state& from, const run_state& to) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < from.model.state.size(); ++i) {
        count += from.model.state[i] != to.model.state[i] ? 1 : 0;
    }
    return count;
}

} // namespace

TEST(budgets, as_slices_of_width_train_and_charge_these_alone) {
    small_federation federation;
    give_slices(federation.config, config::ranking_kind::width);

    const auto state = federation.run().state;

    double share = 1;
    while (sliced_lenet5(share).first > 0.1 * weights_of_lenet5) {
        share -= 0.001;
    }
    const auto [weights, biases] = sliced_lenet5(share);
    for (const auto& c : clients_of(state)) {
        EXPECT_NEAR(c.density * weights_of_lenet5, weights, 1e-6);
        EXPECT_EQ(static_cast<double>(c.bytes_up), 20 + 4 * (weights + biases));
        EXPECT_EQ(static_cast<double>(c.bytes_down), 20 + 4 * (weights + biases) + 8);
    }
    const auto changed = moved(federation.seen.started_from, state);
    EXPECT_LE(static_cast<double>(changed), weights + biases) << "what nobody has keeps its value";
    EXPECT_GT(static_cast<double>(changed), 0.8 * (weights + biases));

    small_federation rolling;
    give_slices(rolling.config, config::ranking_kind::rolling_width);
    const auto rolled = rolling.run().state;
    EXPECT_GT(moved(rolling.seen.started_from, rolled), changed);
    EXPECT_EQ(rolled.history[0].clients[0].bytes_up, state.history[0].clients[0].bytes_up);
}

TEST(budgets, of_all_units_are_fedavg_to_the_bit) {
    small_federation plain, sliced;
    give_slices(sliced.config, config::ranking_kind::rolling_width);
    sliced.config.budget.mode = config::budget_kind::bytes;
    sliced.config.budget.density = {1};
    sliced.config.budget.bytes_per_round = 1e9;
    plain.config.method.name = "fedavg";
    expect_same_training(sliced.run().state, plain.run().state);
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
    // 24 weights, which are one of each layer, but of the 30 on a rung of the first mask.
    refused([](auto& c) { c.budget.mode = budget_kind::fixed, c.budget.density = {4e-4}; });
    // 31 weights are a rung of the first mask, and two more may be in a part that takes turns.
    refused([](auto& c) {
        c.budget.mode = budget_kind::fixed, c.budget.density = {5.1e-4}, c.budget.rotate = true;
    });
    refused([](auto& c) { c.budget.mode = budget_kind::fixed, c.method.name = "feddst"; });
    refused([](auto& c) { c.budget.mode = budget_kind::fixed, c.method.name = "dispfl"; });
    refused([](auto& c) { c.budget.mode = budget_kind::fixed, c.aggregation.rule = "median"; });
    refused([](auto& c) { c.budget.mode = budget_kind::fixed, c.method.name = "prunefl"; });
    refused([](auto& c) {
        c.budget.mode = budget_kind::fixed, c.attack.kind = "sign_flip", c.attack.clients = 1;
    });
    refused([](auto& c) {
        c.budget.mode = budget_kind::bytes, c.budget.bytes_per_round = 30000, c.method.name = "flash";
    });
    refused([](auto& c) {
        c.budget.mode = budget_kind::fixed, c.budget.density = {0.1}, c.method.name = "snip";
    });
    using config::ranking_kind;
    refused([](auto& c) { c.budget.mode = budget_kind::fixed, c.budget.ranking = ranking_kind::width; });
    refused([](auto& c) {
        give_slices(c, ranking_kind::width);
        c.budget.rotate = true;
    });
    refused([](auto& c) {
        give_slices(c, ranking_kind::width);
        c.budget.density = {5e-4}; // less than one unit of each layer
    });
    refused([](auto& c) { c.budget.mode = budget_kind::drop, c.budget.deadline_s = 1; });
    refused([](auto& c) {
        c.budget.mode = budget_kind::drop, c.budget.deadline_s = 1, c.links.uplink_mbit = {0.1};
    });
    // Half of the weights come down within 0.1 s at these links, but all of them go up in the first round.
    refused([](auto& c) {
        c.budget.mode = budget_kind::drop, c.budget.deadline_s = 0.25;
        c.links.uplink_mbit = c.links.downlink_mbit = {10};
    });

    // What is advised is enough, positions included.
    config::run_config advised;
    advised.links.uplink_mbit = advised.links.downlink_mbit = {10};
    advised.budget.mode = budget_kind::drop;
    advised.budget.deadline_s = 0.25;
    try {
        budgets_by_class(advised, *make_method(advised), layout, 1200);
        FAIL();
    } catch (const input_error& e) {
        const std::string said = e.what();
        advised.budget.deadline_s = std::stod(said.substr(said.find("allow ") + 6));
        EXPECT_GT(advised.budget.deadline_s, 0.3023) << "which the first round takes";
        EXPECT_NO_THROW(budgets_by_class(advised, *make_method(advised), layout, 1200));
    }

    config::run_config look;
    look.method.name = "flash";
    look.budget.mode = budget_kind::bytes;
    look.budget.bytes_per_round = 247000; // the model and a density for each layer
    EXPECT_NO_THROW(budgets_by_class(look, *make_method(look), layout, 1200));
    look.budget.mode = budget_kind::fixed;
    look.budget.density = {1, 0.1};
    look.links.shares = {0.5, 0.5};
    look.links.order = config::link_order::in_order; // so that the first client has the first
    EXPECT_NO_THROW(budgets_by_class(look, *make_method(look), layout, 1200));

    config::run_config c;
    c.budget.mode = budget_kind::fixed;
    c.budget.density = {5.1e-4};
    EXPECT_NO_THROW(budgets_by_class(c, *make_method(c), layout, 1200));
    c.budget.density = {0.25};
    const auto classes = budgets_by_class(c, *make_method(c), layout, 1200);
    ASSERT_EQ(classes.size(), 1U);
    EXPECT_NEAR(classes[0].first, 0.25, 1e-9);
    EXPECT_NEAR(classes[0].last, 0.1, 1e-3);
}

TEST(budgets, of_bytes_hold_more_where_values_go_up_in_half_the_bytes) {
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    config::run_config c;
    c.budget.mode = config::budget_kind::bytes;
    c.budget.bytes_per_round = 60000;
    const double tail = 2 * (20 + 4 * 236);
    EXPECT_NEAR(budgets_by_class(c, *make_method(c), layout, 1200)[0].first,
                (60000 - tail) / 8 / weights_of_lenet5, 1e-4);
    c.communication.value_type = config::value_kind::bf16;
    EXPECT_NEAR(budgets_by_class(c, *make_method(c), layout, 1200)[0].first,
                (60000 - tail) / 6 / weights_of_lenet5, 1e-4);

    c.budget.bytes_per_round = 2200; // the smallest part takes 2235 in four bytes a value
    EXPECT_NO_THROW(budgets_by_class(c, *make_method(c), layout, 1200));
    c.communication.value_type = config::value_kind::f32;
    EXPECT_THROW(budgets_by_class(c, *make_method(c), layout, 1200), input_error);
}

// Of four clients in order, nobody is in the last tenth, whose links take minutes.
TEST(budgets, say_nothing_of_a_class_without_clients) {
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    config::run_config c;
    c.federation.clients = c.federation.clients_per_round = 4;
    c.links.shares = {0.9, 0.1};
    c.links.order = config::link_order::in_order;
    c.links.uplink_mbit = {10, 0.0001};
    c.links.latency_ms = {0};
    c.budget.mode = config::budget_kind::deadline;
    c.budget.deadline_s = 1;
    const auto classes = budgets_by_class(c, *make_method(c), layout, 1200);
    ASSERT_EQ(classes.size(), 2U);
    EXPECT_GT(classes[0].first_seconds, 0);
    EXPECT_TRUE(std::isnan(classes[1].first));
    EXPECT_TRUE(std::isnan(classes[1].last_seconds));
}
