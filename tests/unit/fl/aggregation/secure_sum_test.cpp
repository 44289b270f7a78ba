#include "fl/aggregation/secure_words.hpp"
#include "privacy/clipping.hpp"
#include "privacy/discrete_gaussian.hpp"
#include "privacy/secure_sum_message.hpp"
#include "privacy/seeded_key_for_tests.hpp"
#include "unit/fl/aggregation/aggregated.hpp"
#include "unit/fl/federation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

using namespace feddip;
using namespace feddip::fl;

namespace {

config::run_config secure(int clients_per_round = 4) {
    config::run_config c;
    c.federation.clients = 10;
    c.federation.clients_per_round = clients_per_round;
    c.privacy.secure_sum = true;
    return c;
}

const privacy::secret key = privacy::seeded_key_for_tests(5).kept();

// A round of the tiny model in which all weights are sent; clients without weights drop out.
struct secure_round {
    config::run_config config;
    in_process_transport ranks{};
    global_model model = test::model_of_first_two();
    round_plan plan = test::sending(upload_content::all_weights);
    std::vector<std::size_t> slots{};
    std::unique_ptr<aggregation_rule> rule{};
    std::unique_ptr<aggregation> sum{};
    std::uint64_t samples = 0;

    aggregate of(const std::vector<test::client>& clients) {
        std::vector<int> owners;
        for (std::size_t i = 0; i < clients.size(); ++i) {
            if (!clients[i].weights.empty()) {
                slots.push_back(i);
                owners.push_back(0);
            }
        }
        rule = make_aggregation_rule(config);
        sum = rule->start({plan,
                           test::tiny_layout,
                           model,
                           owners,
                           {.key = key, .clip = config.privacy.clip},
                           slots,
                           clients.size()},
                          ranks);
        for (std::size_t s = 0; s < slots.size(); ++s) {
            auto record = test::client_with(clients[slots[s]].samples);
            sum->add(static_cast<int>(s), make_upload(plan, test::tiny_layout, model,
                                                      {.weights = clients[slots[s]].weights}, record));
            samples += record.included != 0 ? record.samples : 0;
        }
        sum->collect();
        return sum->result(samples);
    }
};

// Of the same fixed-point values, not masked.
template <typename Word>
std::vector<Word> words_of(const test::client& c, const privacy::fixed_point<Word>& codec, double clip) {
    const auto known = test::model_of_first_two().state;
    std::vector<float> change(known.size());
    for (std::size_t i = 0; i < known.size(); ++i) {
        change[i] = c.weights[i] - known[i];
        if (clip == 0) {
            change[i] *= static_cast<float>(c.samples);
        }
    }
    if (clip > 0) {
        privacy::clip(std::array{std::span(change)}, clip);
    }
    std::vector<Word> words(change.size());
    codec.encode(change, words);
    return words;
}

template <typename Word>
std::vector<Word> plain_sum(const std::vector<test::client>& clients, const privacy::fixed_point<Word>& codec,
                            double clip = 0) {
    std::vector<Word> sum(test::tiny_layout.size());
    for (const auto& c : clients) {
        if (!c.weights.empty()) {
            const auto words = words_of(c, codec, clip);
            for (std::size_t i = 0; i < sum.size(); ++i) {
                sum[i] += words[i];
            }
        }
    }
    return sum;
}

template <typename Word>
std::vector<float> model_after(const std::vector<Word>& sum, const privacy::fixed_point<Word>& codec,
                               double divisor) {
    const auto known = test::model_of_first_two().state;
    std::vector<double> values(sum.size());
    codec.decode(sum, values);
    std::vector<float> state(known.size());
    for (std::size_t i = 0; i < state.size(); ++i) {
        state[i] = static_cast<float>(known[i] + values[i] / divisor);
    }
    return state;
}

const std::vector<test::client> four{
    {test::weights_a, 7}, {test::weights_b, 1}, {test::weights_b, 30}, {test::weights_a, 2}};

} // namespace

TEST(secure_sum, is_the_plain_sum_of_the_same_fixed_point_values) {
    secure_round round{.config = secure()};
    const auto codec = secure_words<std::uint64_t>(round.config, std::nullopt, 0, test::tiny_layout.size());

    EXPECT_EQ(round.of(four).state, model_after(plain_sum(four, codec), codec, 40));
}

TEST(secure_sum, is_that_of_those_who_stay_where_others_drop_out_up_to_the_threshold) {
    secure_round round{.config = secure(5)};
    const auto codec = secure_words<std::uint64_t>(round.config, std::nullopt, 0, test::tiny_layout.size());
    auto some = four;
    some[1].weights.clear();
    some.insert(some.begin(), test::client{{}, 3});

    EXPECT_EQ(round.of(some).state, model_after(plain_sum(some, codec), codec, 39));
    EXPECT_EQ(round.rule->least_updates(0), 3);
}

TEST(secure_sum, takes_a_client_whose_update_has_nan_for_one_that_left) {
    secure_round round{.config = secure()}, without{.config = secure()};
    auto some = four;
    some[2].weights[0] = NAN;
    auto fewer = four;
    fewer[2].weights.clear();

    EXPECT_EQ(round.of(some).state, without.of(fewer).state);
}

TEST(secure_sum, with_privacy_lets_no_data_decide_who_leaves) {
    auto config = secure();
    config.privacy.clip = 1.5;
    secure_round bad{.config = config}, unchanged{.config = config};
    auto some = four, same = four;
    for (const std::size_t i : {0U, 1U, 2U}) { // of four, of whom three must stay
        some[i].weights[0] = NAN;
        same[i].weights = test::model_of_first_two().state;
    }

    const auto state = bad.of(some).state;
    EXPECT_EQ(state, unchanged.of(same).state);
    EXPECT_NE(state, test::model_of_first_two().state);
}

TEST(secure_sum, is_close_to_the_mean) {
    secure_round round{.config = secure()};
    const auto mean = test::aggregated("mean", test::sending(upload_content::all_weights), four).state;
    const auto state = round.of(four).state;
    for (std::size_t i = 0; i < mean.size(); ++i) {
        EXPECT_NEAR(state[i], mean[i], 1e-5 * (1 + std::abs(mean[i])));
    }
}

TEST(secure_sum, with_privacy_is_that_of_clipped_changes_and_discrete_noise) {
    for (const double noise : {0.0, 2.0}) {
        auto config = secure();
        config.privacy.clip = 1.5;
        config.privacy.noise_multiplier = noise;
        secure_round round{.config = config};
        const auto guarantee = guarantee_of(config);
        const auto codec = secure_words<std::uint32_t>(config, guarantee, 1.5, test::tiny_layout.size());
        auto sum = plain_sum(four, codec, 1.5);
        if (noise > 0) {
            auto stream = privacy::noise_stream(privacy::noise_key(key), 0, privacy::noise_of::sum);
            privacy::add_discrete_gaussian(
                stream, privacy::discrete_gaussian(noise * codec.longest(1.5, sum.size())), std::span(sum));
        }

        EXPECT_EQ(round.of(four).state, model_after(sum, codec, 4));
        EXPECT_TRUE(guarantee->mechanism().discrete);
    }
}

TEST(secure_sum, with_privacy_counts_who_was_within_the_bound) {
    auto config = secure();
    config.privacy.clip = 12;
    config.privacy.clip_quantile = 0.5;
    secure_round round{.config = config};

    // Both of weights_a are within; the others are 18 long.
    EXPECT_DOUBLE_EQ(round.of(four).next_clip, 12);
}

TEST(secure_sum, with_privacy_of_too_few_is_noise) {
    auto config = secure();
    config.privacy.clip = 1;
    config.privacy.noise_multiplier = 1;
    const test::client gone{{}, 1};
    for (const auto& clients : std::vector<std::vector<test::client>>{{}, {four[0]}, {four[0], gone, gone}}) {
        secure_round round{.config = config}, nobody{.config = config};
        EXPECT_EQ(round.of(clients).state, nobody.of({}).state);
    }
}

TEST(secure_sum, costs_each_client_what_the_protocol_says) {
    secure_round round{.config = secure()};
    round.of(four);
    const auto each = privacy::secure_sum_traffic(secure_terms(round.config, 0, 4, test::tiny_layout.size()));
    const auto found = round.sum->exchanged();
    ASSERT_EQ(found.size(), 4U);
    for (const auto& bytes : found) {
        EXPECT_EQ(bytes.up, each.up);
        EXPECT_EQ(bytes.down, each.down);
    }
}

TEST(secure_sum, costs_on_average_what_all_draws_cost) {
    auto config = secure(3);
    config.privacy.clip = 1;
    config.privacy.sampling = config::sampling_kind::poisson;
    // Of 10 clients each with 0.3; of those drawn each leaves with 0.2.
    double up = 0, down = 0;
    for (int n = 2; n <= 10; ++n) {
        const double drawn = std::exp(std::lgamma(11) - std::lgamma(n + 1) - std::lgamma(11 - n)) *
                             std::pow(0.3, n) * std::pow(0.7, 10 - n);
        const auto terms = secure_terms(config, 0, static_cast<std::uint32_t>(n), 6);
        const auto stays = privacy::secure_sum_traffic(terms);
        const auto leaves = privacy::secure_sum_traffic_of_leaving(terms);
        up += drawn * n * (0.8 * static_cast<double>(stays.up) + 0.2 * static_cast<double>(leaves.up));
        down += drawn * n * (0.8 * static_cast<double>(stays.down) + 0.2 * static_cast<double>(leaves.down));
    }
    // Those of the mean count a lone client, for which there is no sum.
    const double alone = 10 * 0.3 * std::pow(0.7, 9);
    const auto one = secure_terms(config, 0, 1, 6);
    up += alone * (0.8 * static_cast<double>(privacy::secure_sum_traffic(one).up) +
                   0.2 * static_cast<double>(privacy::secure_sum_traffic_of_leaving(one).up));
    down += alone * (0.8 * static_cast<double>(privacy::secure_sum_traffic(one).down) +
                     0.2 * static_cast<double>(privacy::secure_sum_traffic_of_leaving(one).down));

    const auto mean = secure_traffic(config, 0, 6, 0.2);
    EXPECT_NEAR(mean.up, up, 1e-6 * up);
    EXPECT_NEAR(mean.down, down, 1e-6 * down);
}

TEST(secure_sum, of_a_whole_run_with_drop_outs_learns_as_the_plain_one) {
    test::small_federation plain, hidden;
    plain.config.method.name = "fedavg";
    plain.config.federation.clients_per_round = 4;
    plain.config.federation.rounds = 6;
    plain.config.faults.drop_probability = 0.1;
    hidden.config = plain.config;
    hidden.config.privacy.secure_sum = true;

    const auto a = plain.run().state, b = hidden.run().state;

    int dropped = 0;
    for (std::size_t t = 0; t < a.history.size(); ++t) {
        const auto stayed = std::ranges::count(a.history[t].clients, 0, &client_record::dropped_out);
        ASSERT_GE(stayed, 3) << "choose another seed";
        EXPECT_NEAR(a.history[t].test_loss, b.history[t].test_loss, 1e-3);
        for (std::size_t i = 0; i < 4; ++i) {
            const auto& [x, y] = std::pair(a.history[t].clients[i], b.history[t].clients[i]);
            EXPECT_EQ(x.included, y.included);
            dropped += x.dropped_out;
            if (x.dropped_out == 0) {
                EXPECT_GT(y.bytes_up, 2 * x.bytes_up - 100) << "words of 64 bits";
            } else {
                EXPECT_GT(y.bytes_up, 0U) << "keys and shares";
            }
        }
        EXPECT_GT(b.history[t].bytes_down, a.history[t].bytes_down);
    }
    EXPECT_GT(dropped, 0);
}
