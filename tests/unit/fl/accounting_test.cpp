#include "fl/accounting.hpp"
#include "fl/in_process_transport.hpp"
#include "fl/message.hpp"
#include "fl/roster.hpp"
#include "unit/fl/federation.hpp"
#include "unit/fl/random_models.hpp"

#include <gtest/gtest.h>

using namespace feddip;
using namespace feddip::fl;
using test::lenet5;
using test::model_with;
using test::random_mask;

namespace {

versioned_mask all_alive() {
    return {0, {lenet5.prunable_size(), true}};
}

} // namespace

TEST(download_ledger, charges_exactly_the_length_of_the_message_that_the_client_would_get) {
    run_state state;
    state.client_mask_version = {0, 0, 0};
    state.recent_masks = {all_alive()};
    state.model = model_with(random_mask(0.1, 1), 1);
    download_ledger ledger(lenet5);

    const auto first = ledger.charge(state, 0);
    const auto again = ledger.charge(state, 0);

    const versioned_mask alive = all_alive();
    const versioned_mask current{1, state.model.mask};
    EXPECT_EQ(first.bytes, encode(state.model, lenet5, 0, &alive).size());
    EXPECT_EQ(again.bytes, encode(state.model, lenet5, 1, &current).size());
    EXPECT_EQ(first.positions, first.bytes - again.bytes);
    EXPECT_EQ(again.positions, 0U);
}

TEST(download_ledger, charges_a_whole_mask_to_a_client_whose_mask_is_forgotten) {
    run_state state;
    state.client_mask_version = {0, 1};
    state.model = model_with(random_mask(0.1, 1), 9);
    download_ledger ledger(lenet5);

    EXPECT_EQ(ledger.charge(state, 0).bytes, encode(state.model, lenet5, 0, nullptr).size());
    EXPECT_EQ(ledger.charge(state, 1).bytes, encode(state.model, lenet5, 0, nullptr).size());
}

// A part is a mask like any other to the codec: what is charged is the message with that mask.
TEST(download_ledger, charges_a_part_of_the_mask_as_the_message_with_the_part_alone) {
    run_state state;
    state.client_mask_version = {0, 0};
    state.recent_masks = {all_alive()};
    state.model = model_with(random_mask(0.3, 1), 1);
    state.ladder = {lenet5, state.model.mask, std::span(state.model.state).first(lenet5.prunable_size()),
                    0.1};
    state.ladder_version = 1;
    const auto part_of = [&](int level) {
        auto part = model_with(state.ladder.part({.level = level}), 9);
        sparse::apply(part.mask, std::span<const float>(state.model.state).first(part.mask.size()),
                      std::span(part.state).first(part.mask.size()));
        return part;
    };
    const auto quarter = part_of(250);
    const auto third = part_of(330);
    const versioned_mask base_whole = all_alive();
    const versioned_mask base_quarter{2, quarter.mask};
    const versioned_mask same{9, {}};
    download_ledger ledger(lenet5);

    const auto first = ledger.charge(state, 0, {.level = 250});
    const auto again = ledger.charge(state, 0, {.level = 250});
    const auto more = ledger.charge(state, 0, {.level = 330});

    EXPECT_EQ(first.bytes, std::min(encode(quarter, lenet5, 0, nullptr).size(),
                                    encode(quarter, lenet5, 0, &base_whole).size()));
    EXPECT_EQ(again.bytes, encode(quarter, lenet5, 0, &same).size());
    EXPECT_EQ(more.bytes, encode(third, lenet5, 0, &base_quarter).size());
    EXPECT_LT(more.positions,
              encode(third, lenet5, 0, nullptr).size() - encode(third, lenet5, 0, &same).size());
    EXPECT_EQ(ledger.cost(state, 1).bytes, encode(state.model, lenet5, 0, &base_whole).size());

    // By another ranking it is not known which part of the mask it holds; who holds all of it needs no
    // positions.
    const auto charged = ledger.charge(state, 1);
    state.ladder = {lenet5, state.model.mask, std::vector<float>(lenet5.prunable_size(), 1.0F), 0.1};
    state.ladder_round = 1;
    const auto other_quarter = part_of(250);
    const versioned_mask base_all{1, state.model.mask};
    EXPECT_EQ(ledger.cost(state, 0, {.level = 250}).bytes, encode(other_quarter, lenet5, 0, nullptr).size());
    EXPECT_EQ(ledger.cost(state, 1).bytes, charged.bytes - charged.positions);
    EXPECT_EQ(ledger.cost(state, 1, {.level = 250}).bytes,
              std::min(encode(other_quarter, lenet5, 0, nullptr).size(),
                       encode(other_quarter, lenet5, 0, &base_all).size()));

    // The next mask: what part of the last one it holds is no longer known.
    state.recent_masks.push_back({1, state.model.mask});
    state.model = model_with(random_mask(0.2, 2), 2);
    EXPECT_EQ(ledger.cost(state, 0).bytes, encode(state.model, lenet5, 0, nullptr).size());
}

// FedAvg on LeNet-5 with five clients for a hundred rounds costs 1,883 by the authors' program.
TEST(reference_cost, is_the_authors_formula) {
    EXPECT_NEAR(100 * reference_cost_mib(lenet5, 0, 5, 0, 5), 1883, 0.5);
}

// A tenth of 32 x 61706 bits goes down three times, and half of them up twice.
TEST(reference_cost, counts_both_ways_by_their_own_sparsity_and_clients) {
    EXPECT_NEAR(reference_cost_mib(lenet5, 0.9, 3, 0.5, 2), 1.3 * 1974592 / 1048576, 1e-12);
}

TEST(first_look, is_charged_for_what_the_client_receives_and_sends_before_the_first_round) {
    const parameter_layout ten_weights(
        {{"a.weight", role::weight, {5, 2}, 0, 0, 2}, {"a.bias", role::bias, {1}, 0, 0, 2}});
    const std::uint64_t tail = 4;
    EXPECT_EQ(cost_of(first_look::none, ten_weights, 3, 7).bytes_up, 0U);
    EXPECT_EQ(cost_of(first_look::gradient, ten_weights, 3, 7).bytes_down, 0U);
    EXPECT_EQ(cost_of(first_look::gradient, ten_weights, 3, 7).bytes_up, 20U + 7);
    EXPECT_EQ(cost_of(first_look::saliency, ten_weights, 3, 7).bytes_down, 20U + 4 * 10 + tail);
    EXPECT_EQ(cost_of(first_look::saliency, ten_weights, 3, 7).bytes_up, 20U + 7);
    EXPECT_EQ(cost_of(first_look::densities, ten_weights, 3, 7).bytes_down, 20U + 4 * 10 + tail);
    EXPECT_EQ(cost_of(first_look::densities, ten_weights, 3, 7).bytes_up, 20U + 4 * 1) << "one layer";
    EXPECT_EQ(cost_of(first_look::training, ten_weights, 3, 7).bytes_down, 20U + 4 * 10 + tail);
    EXPECT_EQ(cost_of(first_look::training, ten_weights, 3, 7).bytes_up, 20U + 7 + 4 * 3 + tail);

    test::small_federation snip;
    snip.config.method.name = "snip";
    const auto history = snip.run().state.history;
    std::uint64_t of_clients = 0;
    for (const auto& c : history[0].clients) {
        of_clients += c.bytes_up;
    }
    EXPECT_GT(history[0].bytes_up, of_clients + 20);
    EXPECT_EQ(history[1].bytes_up, of_clients);
}

namespace {

// Clients 0 .. 2 with 10, 20 and 30 images, of which client 1 drops out and client 2 takes twice as long.
struct charged_round {
    test::small_federation what{40, 10};
    in_process_transport alone;
    std::vector<std::uint32_t> images = std::vector<std::uint32_t>(30);
    ongoing_round now;

    charged_round() {
        what.config.links.uplink_mbit = {8e-6}; // a byte per second
        what.config.links.downlink_mbit = {8e-6};
        const auto share = [&](std::size_t count) {
            return std::span<const std::uint32_t>(images).first(count);
        };
        now.who.sampled = {{.client = 0, .images = share(10)},
                           {.client = 1, .images = share(20), .answers = false},
                           {.client = 2, .images = share(30), .slowdown = 2}};
        now.who.slots = {0, 2};
        now.who.owners = {0, 0};
        for (const auto& p : now.who.sampled) {
            now.record.clients.push_back({.id = p.client, .samples = p.samples()});
        }
    }

    workplace here{{what.config, what.data, what.shares, what.residuals}, alone, {}};
};

} // namespace

TEST(accounting, charges_downloads_to_all_that_are_sampled_and_owed_costs_once) {
    charged_round r;
    run_state state;
    state.client_mask_version = {0, 0, 0};
    state.model.mask = {lenet5.prunable_size(), true};
    accounting accounts(r.here);
    accounts.owe({.bytes_down = 1000, .bytes_up = 500, .positions = 70});

    accounts.charge_downloads(r.now, state);

    const std::uint64_t model = header_bytes + 4 * lenet5.size();
    EXPECT_EQ(r.now.record.bytes_down, 3 * model + 1000);
    EXPECT_EQ(r.now.record.bytes_up, 500U);
    EXPECT_EQ(r.now.record.bytes_positions, 70U);
    for (const auto& p : r.now.who.sampled) {
        EXPECT_EQ(p.bytes_down, model);
    }
    accounts.charge_downloads(r.now, state);
    EXPECT_EQ(r.now.record.bytes_down, 3 * model) << "what was owed has been paid";
}

TEST(accounting, lets_the_first_round_begin_when_the_first_client_has_looked_at_its_data) {
    charged_round r;
    r.what.config.links.train_ms_per_image = {2000};
    run_state state;
    state.client_mask_version = {0, 0, 0};
    state.model.mask = {lenet5.prunable_size(), true};
    accounting accounts(r.here);
    const auto seconds_of_round = [&] {
        for (auto& c : r.now.record.clients) {
            c.bytes_up = 0;
        }
        accounts.charge_downloads(r.now, state);
        accounts.charge_uploads(r.now);
        return r.now.record.simulated_seconds;
    };
    accounts.owe({.bytes_down = 1000, .bytes_up = 500, .images = 3});

    const double first = seconds_of_round();
    const auto its_bytes = r.now.record.clients[0].bytes_down;
    EXPECT_NEAR(first - seconds_of_round(), 1000 + 500 + 3 * 2, 1e-6);
    EXPECT_EQ(its_bytes, r.now.record.clients[0].bytes_down) << "it may not be one of those";
}

// Every fourth of 61470 prunable weights is alive, 15368 in all; three clients get them, and two send.
TEST(accounting, takes_the_reference_cost_of_what_is_sent_each_way) {
    charged_round r;
    run_state state;
    state.client_mask_version = {0, 0, 0};
    state.model.mask = {lenet5.prunable_size(), false};
    for (std::size_t i = 0; i < lenet5.prunable_size(); i += 4) {
        state.model.mask.set(i, true);
    }
    const double whole = 1974592.0 / 1048576, alive = 15368.0 / 61470;

    r.now.plan.upload = upload_content::all_weights;
    accounting(r.here).charge_downloads(r.now, state);
    EXPECT_NEAR(r.now.record.reference_cost_mib, whole * (3 * alive + 2), 1e-9);

    r.now.plan.upload = upload_content::in_mask;
    accounting(r.here).charge_downloads(r.now, state);
    EXPECT_NEAR(r.now.record.reference_cost_mib, whole * (3 * alive + 2 * alive), 1e-9);
}

TEST(accounting, adds_up_uploads_and_lets_a_round_last_as_long_as_its_slowest_client) {
    charged_round r;
    r.now.record.clients[0].bytes_up = 100;
    r.now.record.clients[2].bytes_up = 300;
    r.now.record.clients[2].bytes_positions = 7;
    r.now.who.sampled[0].bytes_down = 50;
    r.now.who.sampled[2].bytes_down = 60;

    accounting(r.here).charge_uploads(r.now);

    EXPECT_EQ(r.now.record.bytes_up, 400U);
    EXPECT_EQ(r.now.record.bytes_positions, 7U);
    EXPECT_NEAR(r.now.record.clients[0].simulated_seconds, 150, 1e-9);
    EXPECT_NEAR(r.now.record.clients[2].simulated_seconds, 2 * 360, 1e-9);
    EXPECT_NEAR(r.now.record.simulated_seconds, 720, 1e-9);
}

TEST(accounting, of_an_exchange_charges_each_message_to_its_sender_and_its_receiver) {
    charged_round r;
    const std::vector<exchanged> messages{{.from = 0, .to = 2, .bytes = 100, .positions = 10},
                                          {.from = 2, .to = 0, .bytes = 200, .positions = 20},
                                          {.from = 2, .to = 1, .bytes = 200, .positions = 20}};

    accounting(r.here).charge_exchange(messages, r.now);

    EXPECT_EQ(r.now.record.bytes_down, 500U);
    EXPECT_EQ(r.now.record.bytes_up, 500U);
    EXPECT_EQ(r.now.record.bytes_positions, 100U);
    EXPECT_EQ(r.now.record.clients[2].bytes_up, 400U);
    EXPECT_EQ(r.now.record.clients[2].bytes_positions, 40U);
    EXPECT_EQ(r.now.who.sampled[1].bytes_down, 200U);
    EXPECT_NEAR(r.now.record.clients[0].simulated_seconds, 300, 1e-9);
}
