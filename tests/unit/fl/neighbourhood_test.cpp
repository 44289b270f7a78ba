#include "fl/neighbourhood.hpp"
#include "fl/sampling.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

using namespace feddip;
using namespace feddip::fl;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

constexpr std::uint64_t seed = 7;
const std::vector<int> ids{1, 4, 5, 8, 20, 33};

std::vector<participant> introduced(int neighbours, int waits, int round, int dropping_out = -1) {
    config::run_config c;
    c.method.name = "dadpfl";
    c.dadpfl.neighbours = neighbours;
    c.dadpfl.waits = waits;
    std::vector<participant> sampled;
    for (const int id : ids) {
        sampled.push_back({.client = id, .answers = id != dropping_out});
    }
    introduce(sampled, *make_method(c), round, seed);
    return sampled;
}

std::vector<participant> by_level(std::vector<participant> sampled) {
    std::ranges::sort(sampled, {}, &participant::level);
    return sampled;
}

} // namespace

TEST(neighbourhood, lets_nobody_wait_where_no_waits_are_allowed) {
    for (const auto& p : introduced(3, 0, 2)) {
        EXPECT_EQ(p.senders, neighbours_of(seed, 2, ids, p.client, 3));
        EXPECT_THAT(p.awaited, IsEmpty());
        EXPECT_EQ(p.level, 0);
    }
}

TEST(neighbourhood, of_everybody_lets_all_wait_for_the_first_or_each_for_all_before_it) {
    const auto one_wait = by_level(introduced(10, 1, 0));
    EXPECT_THAT(one_wait[0].awaited, IsEmpty());
    for (std::size_t i = 1; i < one_wait.size(); ++i) {
        EXPECT_EQ(one_wait[i].level, 1);
        EXPECT_THAT(one_wait[i].awaited, ElementsAre(one_wait[0].client));
    }

    const auto chain = by_level(introduced(10, 10, 0));
    EXPECT_EQ(chain[0].client, one_wait[0].client) << "the order is that of the round";
    for (std::size_t i = 0; i < chain.size(); ++i) {
        EXPECT_EQ(chain[i].level, i);
        EXPECT_EQ(chain[i].awaited.size(), i);
    }
}

TEST(neighbourhood, waits_for_the_first_senders_in_an_order_that_the_whole_round_shares) {
    for (int round = 0; round < 20; ++round) {
        std::vector<int> order;
        for (const auto& p : by_level(introduced(10, 10, round))) {
            order.push_back(p.client);
        }
        const auto place = [&](int client) { return std::ranges::find(order, client) - order.begin(); };
        const auto sampled = introduced(3, 2, round);
        for (const auto& p : sampled) {
            std::vector<int> expected = p.senders;
            std::ranges::sort(expected, {}, place);
            std::erase_if(expected, [&](int peer) { return place(peer) > place(p.client); });
            expected.resize(std::min<std::size_t>(2, expected.size()));
            std::ranges::sort(expected);
            EXPECT_EQ(p.awaited, expected);
            int level = 0;
            for (const int peer : p.awaited) {
                level = std::max(level, 1 + std::ranges::find(sampled, peer, &participant::client)->level);
            }
            EXPECT_EQ(p.level, level);
        }
    }
}

TEST(neighbourhood, has_another_order_in_another_round) {
    std::set<int> first;
    for (int round = 0; round < 20; ++round) {
        first.insert(by_level(introduced(10, 10, round)).front().client);
    }
    EXPECT_GT(first.size(), 2U);
}

TEST(neighbourhood, never_waits_for_one_who_drops_out) {
    for (const auto& p : introduced(10, 10, 0, 5)) {
        EXPECT_EQ(std::ranges::count(p.senders, 5), 0);
        EXPECT_EQ(std::ranges::count(p.awaited, 5), 0);
        EXPECT_LT(p.level, 6);
    }
}

TEST(neighbourhood, begins_when_the_slowest_awaited_is_done) {
    config::run_config c;
    c.federation.clients = 40;
    c.links.latency_ms = {500}; // there and back, a second
    const link_model links(c);
    std::vector<participant> sampled{{.client = 2, .awaited = {7}, .level = 2},
                                     {.client = 4},
                                     {.client = 7, .awaited = {4, 9}, .level = 1},
                                     {.client = 9}};
    std::vector<client_work> works{{.client = 2}, {.client = 4}, {.client = 7}, {.client = 9}};
    works[1].slowdown = 3;

    wait_for_peers(sampled, links, works);

    EXPECT_DOUBLE_EQ(links.seconds(works[1]), 3);
    EXPECT_DOUBLE_EQ(links.seconds(works[3]), 1);
    EXPECT_DOUBLE_EQ(links.seconds(works[2]), 3 + 1);
    EXPECT_DOUBLE_EQ(links.seconds(works[0]), 3 + 1 + 1);
    EXPECT_DOUBLE_EQ(links.round_seconds(works), 5);
}
