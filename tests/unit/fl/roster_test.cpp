#include "fl/accounting.hpp"
#include "fl/faults.hpp"
#include "fl/in_process_transport.hpp"
#include "fl/roster.hpp"
#include "fl/sampling.hpp"
#include "privacy/seeded_key_for_tests.hpp"
#include "unit/fl/federation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace feddip;
using namespace feddip::fl;

namespace {

// As if there were `size` ranks: the roster asks for nothing else.
class some_ranks : public in_process_transport {
public:
    explicit some_ranks(int size) : size_(size) {}
    int size() const override { return size_; }

private:
    int size_;
};

struct called {
    test::small_federation what{400, 10};
    run_state state;

    called() {
        what.config.federation.clients_per_round = 4;
        state.client_kept_in = {-1, 3, -1, 0};
    }

    ongoing_round in_round(int t, int ranks = 1) {
        some_ranks all(ranks);
        workplace here({what.config, what.data, what.shares, what.residuals}, all, {});
        ongoing_round now{.plan = here.how->plan(t), .who = {}, .record = {}, .phase = {}};
        accounting charges(here);
        roster(here, charges).call(now, state);
        return now;
    }
};

} // namespace

TEST(roster, calls_the_sampled_clients_with_their_images_and_what_they_keep) {
    called c;
    c.what.config.federation.clients_per_round = 3;

    const auto who = c.in_round(2).who;

    const auto expected = sample_clients(c.what.config.federation.seed, 2, 4, 3);
    ASSERT_EQ(who.sampled.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto& p = who.sampled[i];
        EXPECT_EQ(p.client, expected[i]);
        EXPECT_TRUE(std::ranges::equal(p.images, c.what.shares.train[static_cast<std::size_t>(p.client)]));
        EXPECT_EQ(p.kept_in, c.state.client_kept_in[static_cast<std::size_t>(p.client)]);
        EXPECT_EQ(&who.at_slot(i), &p) << "nobody drops out";
    }
}

TEST(roster, draws_protected_clients_by_their_key_and_not_by_the_seed) {
    const auto key = privacy::seeded_key_for_tests(3).kept();
    for (const auto sampling : {config::sampling_kind::fixed, config::sampling_kind::poisson}) {
        called c;
        c.what.config.federation.clients_per_round = 2;
        c.what.config.privacy = {.clip = 1, .noise_multiplier = 1, .sampling = sampling};
        c.state.protection = {.key = key, .clip = 1};
        int unlike_the_public_ones = 0;
        for (int t = 0; t < 10; ++t) {
            std::vector<int> clients;
            for (const auto& p : c.in_round(t).who.sampled) {
                clients.push_back(p.client);
            }
            EXPECT_EQ(clients, sample_secretly(key, t, 4, 2, sampling)) << t;
            unlike_the_public_ones += clients != sample_clients(c.what.config.federation.seed, t, 4, 2);
        }
        EXPECT_GT(unlike_the_public_ones, 0);
    }
}

TEST(roster, lets_protected_clients_drop_out_by_their_key_and_not_by_the_seed) {
    const auto dropped = [](std::uint64_t key) {
        called c;
        c.what.config.federation.clients_per_round = 4; // all, so that they are drawn under each key
        c.what.config.privacy = {.clip = 1, .noise_multiplier = 1};
        c.what.config.faults.drop_probability = 0.3;
        c.state.protection = {.key = privacy::seeded_key_for_tests(key).kept(), .clip = 1};
        std::vector<bool> gone;
        for (int t = 0; t < 30; ++t) {
            for (const auto& p : c.in_round(t).who.sampled) {
                gone.push_back(!p.answers);
            }
        }
        return gone;
    };
    const auto one = dropped(3);

    EXPECT_EQ(dropped(3), one) << "a resumed run has them again";
    EXPECT_NE(dropped(4), one);
    EXPECT_NEAR(static_cast<double>(std::ranges::count(one, true)), 36, 6 * std::sqrt(120 * 0.3 * 0.7));
    EXPECT_NE(
        drop_out_secretly(privacy::seeded_key_for_tests(3).kept(), 0, {0, 1, 2, 3}, 0.5),
        sample_secretly(privacy::seeded_key_for_tests(3).kept(), 0, 4, 2, config::sampling_kind::poisson))
        << "a stream of its own";
}

TEST(roster, gives_slots_to_those_only_that_answer) {
    called c;
    c.what.config.faults.drop_probability = 0.5;
    const fault_model faults(c.what.config.faults, c.what.config.federation.seed);
    int dropped = 0;
    for (int t = 0; t < 10; ++t) {
        const auto who = c.in_round(t).who;
        std::vector<int> answering;
        for (const auto& p : who.sampled) {
            EXPECT_EQ(p.answers, !faults.drops_out(t, p.client));
            if (p.answers) {
                answering.push_back(p.client);
            } else {
                ++dropped;
            }
        }
        ASSERT_EQ(who.slots.size(), answering.size());
        for (std::size_t s = 0; s < answering.size(); ++s) {
            EXPECT_EQ(who.at_slot(s).client, answering[s]);
        }
    }
    EXPECT_GT(dropped, 0);
}

TEST(roster, places_slots_on_ranks_in_ascending_order_and_spares_rank_0_on_request) {
    called c;
    for (const bool rank0_trains : {true, false}) {
        c.what.config.federation.rank0_trains = rank0_trains;
        const auto who = c.in_round(0, 3).who;

        EXPECT_TRUE(std::ranges::is_sorted(who.owners));
        EXPECT_EQ(who.owners.front(), rank0_trains ? 0 : 1);
        std::size_t placed = 0;
        for (int rank = 0; rank < 3; ++rank) {
            placed += who.slots_of(rank).size();
        }
        EXPECT_EQ(placed, who.slots.size());
    }
}

TEST(roster, equips_a_client_with_a_mask_of_its_own_where_the_method_has_one) {
    called c;
    c.what.config.sparsity.start_mask = config::start_mask_kind::per_client;
    some_ranks one(1);
    const workplace here({c.what.config, c.what.data, c.what.shares, c.what.residuals}, one, {});
    accounting charges(here);
    const roster clients(here, charges);

    const auto equipped_in = [&](int round) {
        ongoing_round now{};
        now.plan = here.how->plan(round);
        return clients.equip(now, {.client = 2});
    };
    const auto first = equipped_in(0);
    const auto later = equipped_in(1);

    ASSERT_TRUE(first.own_mask);
    EXPECT_EQ(*first.own_mask, *here.how->client_mask(here.how->plan(0), here.layout, 2));
    const sparse::mask of_model(4, true);
    EXPECT_FALSE(later.own_mask);
    EXPECT_EQ(&later.mask(of_model), &of_model);
}

TEST(roster, gives_a_client_with_a_limit_its_part_of_the_mask_to_train_and_to_send) {
    called c;
    some_ranks one(1);
    const workplace here({c.what.config, c.what.data, c.what.shares, c.what.residuals}, one, {});
    const sparse::mask all(here.layout.prunable_size(), true);
    const sparse::ladder ranked(here.layout, all, std::vector<float>(all.size(), 1), 0);
    ongoing_round now{};
    now.plan = here.how->plan(0);
    now.ladder = &ranked;

    accounting charges(here);
    const auto limited = roster(here, charges).equip(now, {.client = 2, .part = {.level = 250}});

    ASSERT_EQ(now.plan.upload, upload_content::all_weights);
    EXPECT_EQ(plan_for(limited, now.plan).upload, upload_content::in_mask);
    EXPECT_EQ(plan_for({.client = 1}, now.plan).upload, upload_content::all_weights);
    ASSERT_TRUE(limited.own_mask);
    EXPECT_EQ(*limited.own_mask, ranked.part({.level = 250}));
}

TEST(roster, writes_down_that_those_who_answer_keep_something_where_the_plan_says_so) {
    called c;
    c.what.config.faults.drop_probability = 0.5;
    some_ranks one(1);
    const workplace here({c.what.config, c.what.data, c.what.shares, c.what.residuals}, one, {});
    accounting charges(here);
    const roster clients(here, charges);
    auto now = c.in_round(7);
    while (now.who.slots.size() == now.who.sampled.size() || now.who.slots.empty()) {
        now = c.in_round(now.plan.round + 1);
    }
    const auto before = c.state.client_kept_in;

    clients.keep(now, c.state);
    EXPECT_EQ(c.state.client_kept_in, before);

    now.plan.keeps_residual = true;
    clients.keep(now, c.state);
    for (const auto& p : now.who.sampled) {
        const auto client = static_cast<std::size_t>(p.client);
        EXPECT_EQ(c.state.client_kept_in[client], p.answers ? now.plan.round : before[client]);
    }
}
