// What hostile clients send, each against a computation by hand. The model is 1 -2 0 3 | 10, its mask leaves
// the third weight out, and the honest update changes it by 1 2 0 -2 | 0.
#include "base/error.hpp"
#include "fl/attack_success.hpp"
#include "fl/attackers.hpp"
#include "fl/attacks/attack.hpp"
#include "unit/fl/federation.hpp"
#include "unit/fl/small_uploads.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

using namespace feddip;
using namespace feddip::fl;
using namespace feddip::test;
using testing::ElementsAre;
using testing::FloatNear;

namespace {

const global_model model{{1, -2, 0, 3, 10}, mask_of({1, 1, 0, 1}), 1};
const std::vector<float> honest{2, 0, 0, 1, 10};

config::run_config with(const std::string& kind, double strength = 1, int clients = 1) {
    config::run_config config;
    config.attack = {.kind = kind, .clients = clients, .strength = strength};
    return config;
}

std::vector<float> forged(const config::run_config& config, const std::vector<std::vector<float>>& pool = {},
                          std::size_t clients = 5) {
    auto weights = honest;
    random_stream random(1, 0, 0, purpose::attacking);
    make_attack(config)->forge({tiny_layout, model, clients, pool.size(), pool}, random, weights);
    return weights;
}

// Changes of the first weight by 1, 2, 3: mean 2, deviation sqrt(2/3); of the second by 0.
const std::vector<std::vector<float>> pool{{2, -2, 0, 3, 10}, {3, -2, 0, 3, 10}, {4, -2, 0, 3, 10}};
const double deviation = std::sqrt(2.0 / 3);

} // namespace

TEST(sign_flip, turns_the_update_round) {
    EXPECT_THAT(forged(with("sign_flip")), ElementsAre(0, -4, 0, 5, 10));
    EXPECT_THAT(forged(with("sign_flip", 3)), ElementsAre(-2, -8, 0, 9, 10));
}

TEST(gaussian, is_noise_about_the_model_where_the_update_changes_it) {
    random_stream random(1, 0, 0, purpose::attacking);
    const double size = 2 * std::sqrt(9.0 / 3); // |update|^2 = 9, in three weights
    const auto at = [&](double weight) {
        return FloatNear(static_cast<float>(weight + size * random.normal()), 1e-5F);
    };
    const auto first = at(1), second = at(-2), fourth = at(3);

    EXPECT_THAT(forged(with("gaussian", 2)), ElementsAre(first, second, 0, fourth, 10));
}

TEST(alie, hides_within_the_deviation_of_the_pool) {
    // n = 20, f = 3: s = 8, Phi(z) = 9 / 17, z = 0.0738.
    const auto sent = forged(with("alie"), pool, 20);
    EXPECT_NEAR(sent[0], 1 + 2 - 0.07380 * deviation, 1e-4);
    EXPECT_FLOAT_EQ(sent[1], -2);
    EXPECT_NEAR(forged(with("alie", 10), pool, 20)[0], 1 + 2 - 0.7380 * deviation, 1e-3);
    EXPECT_NEAR(forged(with("alie"), pool, 5)[0], 1 + 2 - 3 * deviation, 1e-4) << "a majority already";
}

TEST(ipm, sends_the_mean_of_the_pool_backwards) {
    EXPECT_THAT(forged(with("ipm", 0.5), pool), ElementsAre(0, -2, 0, 3, 10));
}

// No further than 2 from any: from the one that changes it by 3, back to 1.
TEST(min_max, goes_as_far_as_the_pool_is_wide) {
    EXPECT_THAT(forged(with("min_max"), pool), ElementsAre(FloatNear(2, 1e-5F), -2, 0, 3, 10));
}

TEST(pooling_attacks, of_one_client_have_no_deviation_to_hide_in) {
    for (const auto* kind : {"alie", "min_max"}) {
        EXPECT_THAT(forged(with(kind), {honest}), ElementsAre(2, 0, 0, 1, 10)) << kind;
    }
}

TEST(alie, counts_the_hostile_and_not_those_it_sees) {
    auto weights = honest;
    random_stream random(1, 0, 0, purpose::attacking);
    make_attack(with("alie"))->forge({tiny_layout, model, 5, 2, pool}, random, weights);
    // n = 5, f = 2: s = 1, Phi(z) = 2 / 3, z = 0.4307.
    EXPECT_NEAR(weights[0], 1 + 2 - 0.4307 * deviation, 1e-4);
}

// n = 20, f = 2: s = 9, Phi(z) = 9 / 18, z = 0.
TEST(alie, has_nothing_to_hide_behind_where_so_few_are_hostile) {
    auto weights = honest;
    random_stream random(1, 0, 0, purpose::attacking);
    make_attack(with("alie", 10))->forge({tiny_layout, model, 20, 2, pool}, random, weights);
    EXPECT_NEAR(weights[0], 1 + 2, 1e-4);
}

// One weight of three is the hundredth: the fourth, which gets all of the update's length, 3.
TEST(mask_aware, drives_the_largest_weights_past_zero) {
    EXPECT_THAT(forged(with("mask_aware")), ElementsAre(2, 0, 0, 0, 10));
    EXPECT_THAT(forged(with("mask_aware", 2)), ElementsAre(2, 0, 0, -3, 10));
}

namespace {

data::image_copies poisoned_by(const char* kind, small_federation& federation,
                               std::span<const std::uint32_t> images) {
    federation.config = with(kind);
    in_process_transport alone;
    workplace here({federation.config, federation.data, federation.shares, federation.residuals}, alone, {});
    return attackers(here).poisoned({federation.data, images});
}

} // namespace

TEST(label_flip, trains_on_the_opposite_class) {
    small_federation federation;
    const std::vector<std::uint32_t> images{7, 0, 12};
    const auto poisoned = poisoned_by("label_flip", federation, images);

    const auto data = poisoned.view();
    EXPECT_THAT(poisoned.images(), ElementsAre(0, 1, 2));
    EXPECT_THAT(data.train.labels, ElementsAre(2, 9, 7));
    const auto size = data.facts.shape.size();
    EXPECT_TRUE(std::ranges::equal(data.train.pixels.first(size),
                                   federation.data.train.pixels.subspan(7 * size, size)));
    EXPECT_THAT(forged(with("label_flip")), testing::ElementsAreArray(honest));
    EXPECT_THAT(forged(with("label_flip", 2)), ElementsAre(3, 2, 0, -1, 10));
}

TEST(backdoor, marks_every_second_image_and_calls_it_class_0) {
    small_federation federation;
    const std::vector<std::uint32_t> images{7, 8};
    const auto poisoned = poisoned_by("backdoor", federation, images);

    const auto data = poisoned.view();
    EXPECT_THAT(data.train.labels, ElementsAre(0, 8));
    const auto size = data.facts.shape.size();
    const auto clean = federation.data.train.pixels.subspan(7 * size, size);
    int changed = 0;
    for (std::size_t i = 0; i < size; ++i) {
        const bool in_corner = i / 28 >= 24 && i % 28 >= 24;
        EXPECT_EQ(data.train.pixels[i], in_corner ? 255 : clean[i]);
        changed += in_corner;
    }
    EXPECT_EQ(changed, 16);
    EXPECT_TRUE(std::ranges::equal(data.train.pixels.subspan(size),
                                   federation.data.train.pixels.subspan(8 * size, size)));
}

TEST(attack_success, is_the_share_of_marked_images_that_the_model_takes_for_the_wanted_class) {
    small_federation federation;
    const auto at = [&](const char* kind, std::size_t favoured) {
        federation.config = with(kind);
        in_process_transport alone;
        workplace here({federation.config, federation.data, federation.shares, federation.residuals}, alone,
                       {});
        global_model always{.state = std::vector<float>(here.layout.size()),
                            .mask = {here.layout.prunable_size(), true}};
        always.state[here.layout.parameters().back().offset + favoured] = 10; // a bias of the last layer
        return attack_success(here).at(always);
    };
    EXPECT_EQ(at("backdoor", 0), 1);
    EXPECT_EQ(at("backdoor", 1), 0);
    EXPECT_TRUE(std::isnan(at("label_flip", 0)));
}

TEST(backdoor, is_learned_where_all_clients_are_hostile) {
    const auto success = [](int clients, double strength) {
        small_federation federation;
        federation.config.federation.clients_per_round = 4;
        federation.config.federation.local_epochs = 4;
        federation.config.federation.batch_size = 16;
        federation.config.federation.rounds = 8;
        federation.config.federation.evaluate_every = 8;
        federation.config.method.name = "fedavg";
        federation.config.attack = {.kind = "backdoor", .clients = clients, .strength = strength};
        const auto history = federation.run().state.history;
        EXPECT_TRUE(std::isnan(history.front().attack_success)) << "nothing was evaluated";
        return history.back().attack_success;
    };
    EXPECT_GT(success(4, 1), success(1, 0) + 0.2);
}

TEST(hostile_clients, are_drawn_by_the_seed) {
    auto config = with("ipm", 1, 10);
    const auto drawn = hostile_clients(config);

    EXPECT_EQ(std::set<int>(drawn.begin(), drawn.end()).size(), 10U);
    EXPECT_TRUE(std::ranges::is_sorted(drawn));
    EXPECT_GE(drawn.front(), 0);
    EXPECT_LT(drawn.back(), config.federation.clients);
    EXPECT_EQ(drawn, hostile_clients(config));
    config.federation.seed = 2;
    EXPECT_NE(drawn, hostile_clients(config));
    config.attack.kind = "none";
    EXPECT_TRUE(hostile_clients(config).empty());
}

TEST(attack_registry, names_the_attacks_there_are) {
    try {
        make_attack(with("sign_flop"));
        FAIL();
    } catch (const input_error& e) {
        EXPECT_THAT(e.what(), testing::HasSubstr("choose one of none, sign_flip"));
    }
}

TEST(round_loop, records_who_is_hostile_and_how_many_got_in) {
    small_federation federation;
    federation.config.attack = {.kind = "sign_flip", .clients = 2};
    federation.config.faults.drop_probability = 0.2;
    const auto hostile = hostile_clients(federation.config);

    const auto history = federation.run().state.history;

    int seen = 0;
    for (const auto& round : history) {
        int included = 0;
        for (const auto& c : round.clients) {
            EXPECT_EQ(c.hostile != 0, std::ranges::binary_search(hostile, c.id));
            included += c.hostile != 0 && c.included != 0;
        }
        EXPECT_EQ(round.hostile_included, included);
        seen += included;
    }
    EXPECT_GT(seen, 0);
}

// One of the four clients is hostile, and sends three times the mean of the others backwards.
TEST(round_loop, stands_still_under_an_attack_that_sees_all_others) {
    const auto moved = [](config::attack_sight sees) {
        small_federation federation;
        federation.config.federation.clients_per_round = 4;
        federation.config.federation.rounds = 1;
        federation.config.method.name = "fedavg";
        federation.config.attack = {.kind = "ipm", .clients = 1, .strength = 3, .sees = sees};
        const auto end = federation.run().state.model.state;
        const auto& start = federation.seen.started_from.model.state;
        double farthest = 0;
        for (std::size_t i = 0; i < end.size(); ++i) {
            farthest = std::max(farthest, std::abs(static_cast<double>(end[i]) - start[i]));
        }
        return farthest;
    };

    EXPECT_LT(moved(config::attack_sight::all), 1e-6);
    EXPECT_GT(moved(config::attack_sight::own), 1e-3);
}

// One of the four clients is hostile.
TEST(round_loop, learns_under_attack_by_the_median_and_not_by_the_mean) {
    const auto accuracy_by = [](const std::string& rule) {
        small_federation federation;
        federation.config.federation.clients_per_round = 4;
        federation.config.federation.rounds = 8;
        federation.config.federation.local_epochs = 4;
        federation.config.federation.batch_size = 16;
        federation.config.sparsity.initial = federation.config.sparsity.target = 0.5;
        federation.config.attack = {.kind = "sign_flip", .clients = 1, .strength = 10};
        federation.config.aggregation.rule = rule;
        return federation.run().state.history.back().test_accuracy;
    };

    EXPECT_GT(accuracy_by("median"), 0.8);
    EXPECT_LT(accuracy_by("mean"), 0.5);
}
