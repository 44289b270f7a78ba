#include "fl/faults.hpp"
#include "fl/message.hpp"
#include "fl/sampling.hpp"
#include "unit/fl/federation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace feddip::fl {
namespace {

using test::small_federation;

int dropped_in(const round_record& round) {
    return static_cast<int>(std::ranges::count(round.clients, 1, &client_record::dropped_out));
}

// Eight rounds of three clients: the first keeps somebody, others lose nobody, one and all.
small_federation unreliable_federation() {
    small_federation f;
    f.config.faults.drop_probability = 0.5;
    f.config.federation.rounds = 8;
    const auto dropped = [&](int round) {
        const fault_model faults(f.config.faults, f.config.federation.seed);
        const auto sampled = sample_clients(f.config.federation.seed, round, f.config.federation.clients, 3);
        return std::ranges::count_if(sampled, [&](int client) { return faults.drops_out(round, client); });
    };
    const auto happens = [&](int count) {
        const std::array rounds{1, 2, 3, 4, 5, 6, 7};
        return std::ranges::any_of(rounds, [&](int round) { return dropped(round) == count; });
    };
    while (dropped(0) == 3 || !happens(0) || !happens(3) || !happens(1)) {
        ++f.config.federation.seed;
    }
    return f;
}

TEST(fault_model, lets_a_share_of_clients_drop_out_and_another_be_slow) {
    const fault_model faults({.drop_probability = 0.2, .slow_probability = 0.3, .slow_factor = 4}, 7);
    constexpr int rounds = 100, clients = 200, all = rounds * clients;
    int dropped = 0, slow = 0, both = 0;
    for (int round = 0; round < rounds; ++round) {
        for (int client = 0; client < clients; ++client) {
            const bool drops = faults.drops_out(round, client);
            const bool slows = faults.slowdown(round, client) == 4;
            dropped += drops ? 1 : 0;
            slow += slows ? 1 : 0;
            both += drops && slows ? 1 : 0;
            ASSERT_TRUE(slows || faults.slowdown(round, client) == 1);
        }
    }
    // Six standard deviations of a binomial count.
    const auto expect_share = [&](int count, double p) {
        EXPECT_NEAR(count, p * all, 6 * std::sqrt(p * (1 - p) * all));
    };
    expect_share(dropped, 0.2);
    expect_share(slow, 0.3);
    expect_share(both, 0.06);
}

TEST(fault_model, draws_from_the_seed_the_round_and_the_client_alone) {
    const config::faults_section half{.drop_probability = 0.5, .slow_probability = 0.5, .slow_factor = 2};
    const fault_model one(half, 1), again(half, 1), other(half, 2);
    std::vector<bool> a, b, c, next_round;
    for (int client = 0; client < 200; ++client) {
        a.push_back(one.drops_out(3, client));
        b.push_back(again.drops_out(3, 199 - client));
        c.push_back(other.drops_out(3, client));
        next_round.push_back(one.drops_out(4, client));
    }
    std::reverse(b.begin(), b.end());
    EXPECT_EQ(a, b);
    EXPECT_NE(a, c);
    EXPECT_NE(a, next_round);
}

TEST(fault_model, does_nothing_unless_asked) {
    const fault_model none({}, 1);
    for (int client = 0; client < 100; ++client) {
        EXPECT_FALSE(none.drops_out(0, client));
        EXPECT_EQ(none.slowdown(0, client), 1);
    }
}

TEST(dropped_clients, receive_the_model_and_train_and_send_nothing) {
    auto federation = unreliable_federation();
    const auto history = federation.run().state.history;

    int seen = 0;
    for (const auto& round : history) {
        ASSERT_EQ(round.clients.size(), 3U);
        std::uint64_t up = 0;
        for (const auto& c : round.clients) {
            up += c.bytes_up;
            EXPECT_EQ(c.included, 1 - c.dropped_out);
            EXPECT_EQ(c.bytes_up == 0, c.dropped_out == 1);
            EXPECT_EQ(std::isnan(c.train_loss), c.dropped_out == 1);
            EXPECT_EQ(c.samples, federation.shares.train[static_cast<std::size_t>(c.id)].size());
            seen += c.dropped_out;
        }
        EXPECT_EQ(round.bytes_up, up);
        EXPECT_GE(round.bytes_down, 3 * header_bytes);
    }
    EXPECT_GT(seen, 3);
}

TEST(dropped_clients, hold_the_mask_of_their_round) {
    auto federation = unreliable_federation();
    federation.run();

    int checked = 0;
    auto sent = federation.seen.started_from.model.mask_version;
    for (const auto& state : federation.seen.states) {
        for (const auto& c : state.history.back().clients) {
            EXPECT_EQ(state.client_mask_version[static_cast<std::size_t>(c.id)], sent);
            checked += c.dropped_out;
        }
        sent = state.model.mask_version;
    }
    EXPECT_GT(checked, 3);
}

TEST(dropped_clients, leave_the_average_to_the_others) {
    small_federation faulty;
    faulty.config.federation.rounds = 1;
    faulty.config.faults.drop_probability = 0.5;
    auto& settings = faulty.config.federation;
    // A seed with which the clients that remain are those that a federation of two per round samples.
    std::vector<int> remaining;
    do {
        ++settings.seed;
        const fault_model faults(faulty.config.faults, settings.seed);
        remaining = sample_clients(settings.seed, 0, settings.clients, 3);
        std::erase_if(remaining, [&](int client) { return faults.drops_out(0, client); });
    } while (remaining != sample_clients(settings.seed, 0, settings.clients, 2));
    small_federation smaller;
    smaller.config = faulty.config;
    smaller.config.faults = {};
    smaller.config.federation.clients_per_round = 2;

    const auto a = faulty.run().state;
    const auto b = smaller.run().state;

    EXPECT_EQ(dropped_in(a.history[0]), 1);
    EXPECT_EQ(a.model.state, b.model.state);
    EXPECT_EQ(a.model.mask, b.model.mask);
    EXPECT_EQ(a.history[0].train_loss, b.history[0].train_loss);
    EXPECT_EQ(a.history[0].bytes_up, b.history[0].bytes_up);
    EXPECT_GT(a.history[0].bytes_down, b.history[0].bytes_down);
}

TEST(dropped_clients, when_all_did_leave_model_and_mask_as_they_are) {
    auto federation = unreliable_federation();
    federation.run();

    int lost_rounds = 0;
    const auto* before = &federation.seen.started_from;
    for (const auto& state : federation.seen.states) {
        const auto& round = state.history.back();
        if (dropped_in(round) == 3) {
            ++lost_rounds;
            EXPECT_EQ(state.model.state, before->model.state);
            EXPECT_EQ(state.model.mask, before->model.mask);
            EXPECT_EQ(state.model.mask_version, before->model.mask_version);
            EXPECT_TRUE(std::isnan(round.train_loss));
            EXPECT_EQ(round.bytes_up, 0U);
            EXPECT_EQ(round.mask_change, 0.0);
            EXPECT_EQ(round.sparsity, state.model.mask.sparsity());
        } else {
            EXPECT_NE(state.model.state, before->model.state);
        }
        before = &state;
    }
    EXPECT_GT(lost_rounds, 0);
}

TEST(dropped_clients, keep_their_residual_as_it_was) {
    auto federation = unreliable_federation();
    federation.config.communication.reconfiguration_upload =
        config::reconfiguration_upload_kind::topk_residual;
    federation.config.sparsity.horizon = 1;
    federation.run();

    auto kept = federation.seen.started_from.client_kept_in;
    for (const auto& state : federation.seen.states) {
        const auto& round = state.history.back();
        for (const auto& c : round.clients) {
            if (c.dropped_out == 0) {
                kept[static_cast<std::size_t>(c.id)] = round.round - 1;
            }
        }
        EXPECT_EQ(state.client_kept_in, kept);
    }
}

TEST(dropped_clients, are_the_same_after_resuming_at_any_round) {
    auto undisturbed = unreliable_federation();
    undisturbed.config.communication.reconfiguration_upload =
        config::reconfiguration_upload_kind::topk_residual;
    const auto expected = undisturbed.run().state;
    for (int stop = 1; stop < 8; ++stop) {
        small_federation resumed;
        resumed.config = undisturbed.config;
        const auto stopped = resumed.run(std::nullopt, stop);
        const auto state = resumed.run(stopped.state).state;
        EXPECT_EQ(state.model.state, expected.model.state) << stop;
        EXPECT_EQ(state.client_kept_in, expected.client_kept_in) << stop;
        for (std::size_t t = 0; t < expected.history.size(); ++t) {
            EXPECT_EQ(dropped_in(state.history[t]), dropped_in(expected.history[t])) << stop;
        }
    }
}

TEST(slow_clients, change_the_simulated_times_alone) {
    small_federation usual, slow;
    usual.config.links.uplink_mbit = {8.0};
    usual.config.links.train_ms_per_image = {1.0};
    slow.config = usual.config;
    slow.config.faults.slow_probability = 0.5;
    slow.config.faults.slow_factor = 3;

    const auto a = usual.run().state;
    const auto b = slow.run().state;

    EXPECT_EQ(a.model.state, b.model.state);
    int slowed = 0, others = 0;
    for (std::size_t t = 0; t < a.history.size(); ++t) {
        double slowest = 0;
        for (std::size_t s = 0; s < 3; ++s) {
            const double one = a.history[t].clients[s].simulated_seconds;
            const double other = b.history[t].clients[s].simulated_seconds;
            EXPECT_GT(one, 0);
            EXPECT_TRUE(other == one || std::abs(other - 3 * one) < 1e-12) << other / one;
            ++(other == one ? others : slowed);
            slowest = std::max(slowest, other);
        }
        EXPECT_EQ(b.history[t].simulated_seconds, slowest);
    }
    EXPECT_GT(slowed, 0);
    EXPECT_GT(others, 0);
}

} // namespace
} // namespace feddip::fl
