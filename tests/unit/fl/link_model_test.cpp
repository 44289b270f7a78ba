#include "fl/link_model.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace feddip::fl {
namespace {

config::links_section home_links() {
    return {.shares = {1.0},
            .uplink_mbit = {10.0},
            .downlink_mbit = {50.0},
            .latency_ms = {20.0},
            .train_ms_per_image = {2.0}};
}

link_model model_of(const config::links_section& links, std::uint64_t seed = 1) {
    config::run_config c;
    c.links = links;
    c.federation.seed = seed;
    return link_model(c);
}

TEST(link_model, adds_up_latency_download_training_and_upload) {
    const auto links = model_of(home_links());

    // 1 s down, 0.4 s of training, 2 s up, and two latencies.
    EXPECT_NEAR(links.seconds({.client = 3, .bytes_down = 6'250'000, .bytes_up = 2'500'000, .images = 200}),
                3.44, 1e-12);
}

TEST(link_model, takes_longer_for_a_slow_client_and_hears_no_more_of_one_that_drops_out) {
    const auto links = model_of(home_links());
    const client_work usual{.client = 3, .bytes_down = 6'250'000, .bytes_up = 2'500'000, .images = 200};
    auto slow = usual, gone = usual;
    slow.slowdown = 5;
    gone.answers = false;
    gone.bytes_up = 0;

    EXPECT_NEAR(links.seconds(slow), 5 * links.seconds(usual), 1e-12);
    EXPECT_NEAR(links.seconds(gone), 1.02, 1e-12); // a latency, and 1 s down
}

TEST(link_model, waits_for_each_further_exchange_and_for_what_a_client_sends_before_it_drops_out) {
    config::run_config c;
    c.links.uplink_mbit = {8e-6}; // a byte per second
    c.links.latency_ms = {1000};
    const link_model links(c);
    EXPECT_NEAR(links.seconds({.bytes_up = 10, .further_exchanges = 3}), 10 + 2 + 6, 1e-9);
    EXPECT_NEAR(links.seconds({.bytes_up = 10, .images = 5, .answers = false, .further_exchanges = 2}),
                10 + 1 + 4, 1e-9);
}

TEST(link_model, waits_for_the_slowest_client) {
    const auto links = model_of(home_links());
    const std::array<client_work, 3> works{
        {{.client = 0, .bytes_up = 1e6}, {.client = 1, .bytes_up = 9e6}, {.client = 2, .bytes_down = 9e6}}};

    EXPECT_EQ(links.round_seconds(works), links.seconds(works[1]));
}

TEST(link_model, gives_no_time_where_nothing_is_modelled) {
    const std::array<client_work, 1> works{{{.client = 0, .bytes_up = 1e6}}};

    EXPECT_FALSE(model_of({}).models_anything());
    EXPECT_TRUE(std::isnan(model_of({}).seconds(works[0])));
    EXPECT_TRUE(std::isnan(model_of({}).round_seconds(works)));
}

TEST(link_model, takes_rates_of_zero_as_no_limit) {
    auto only_upload = home_links();
    only_upload.downlink_mbit = {0.0};
    only_upload.latency_ms = {0.0};

    EXPECT_EQ(model_of(only_upload).seconds({.client = 0, .bytes_down = 1e12}), 0);
}

TEST(link_model, gives_each_class_its_share_of_clients_and_its_own_link) {
    const config::links_section two{.shares = {0.8, 0.2},
                                    .uplink_mbit = {8.0, 80.0},
                                    .downlink_mbit = {0.0},
                                    .latency_ms = {0.0},
                                    .train_ms_per_image = {0.0}};
    const auto links = model_of(two, 7);
    constexpr int clients = 20'000;
    int fast = 0;
    for (int c = 0; c < clients; ++c) {
        const auto in = links.class_of(c);
        ASSERT_LT(in, 2U);
        fast += static_cast<int>(in);
        EXPECT_NEAR(links.seconds({.client = c, .bytes_up = 1e6}), in == 0 ? 1.0 : 0.1, 1e-12);
    }

    // Six standard deviations of a binomial count.
    EXPECT_NEAR(fast, 0.2 * clients, 6 * std::sqrt(0.2 * 0.8 * clients));
}

TEST(link_model, draws_classes_from_the_seed_and_the_client_alone) {
    const config::links_section two{.shares = {0.5, 0.5}};
    const auto one = model_of(two), again = model_of(two), other = model_of(two, 2);
    std::vector<std::size_t> a, b, c;
    for (int client = 0; client < 200; ++client) {
        a.push_back(one.class_of(client));
        b.push_back(again.class_of(199 - client));
        c.push_back(other.class_of(client));
    }

    EXPECT_EQ(a, std::vector<std::size_t>(b.rbegin(), b.rend()));
    EXPECT_NE(a, c);
}

TEST(link_model, gives_classes_to_clients_in_their_order_where_told) {
    config::run_config c;
    c.federation.clients = 10;
    c.links = {.shares = {0.3, 0.2, 0.5}, .order = config::link_order::in_order};
    const link_model links(c);
    std::vector<std::size_t> classes;
    for (int client = 0; client < 10; ++client) {
        classes.push_back(links.class_of(client));
    }

    EXPECT_EQ(classes, (std::vector<std::size_t>{0, 0, 0, 1, 1, 2, 2, 2, 2, 2}));
}

} // namespace
} // namespace feddip::fl
