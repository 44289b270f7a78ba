#include "base/error.hpp"
#include "fl/aggregation/secure_words.hpp"
#include "fl/method.hpp"
#include "privacy/clipping.hpp"
#include "privacy/discrete_gaussian.hpp"
#include "privacy/secure_sum_message.hpp"
#include "privacy/seeded_key_for_tests.hpp"
#include "unit/fl/aggregation/aggregated.hpp"
#include "unit/fl/federation.hpp"
#include "unit/fl/random_models.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>
#include <string>

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
    for (const std::uint32_t gone : {0U, 1U}) {
        secure_round round{.config = secure()};
        auto clients = four;
        if (gone > 0) {
            clients[2].weights.clear();
        }
        round.of(clients);
        const auto terms = secure_terms(round.config, 0, 4, test::tiny_layout.size());
        const auto stays = privacy::secure_sum_traffic(terms, gone);
        const auto leaves = privacy::secure_sum_traffic_of_leaving(terms);
        const auto found = round.sum->exchanged();
        ASSERT_EQ(found.size(), 4U);
        for (std::size_t i = 0; i < 4; ++i) {
            const auto& each = clients[i].weights.empty() ? leaves : stays;
            EXPECT_EQ(found[i].up, each.up) << i;
            EXPECT_EQ(found[i].down, each.down) << i;
        }
    }
}

namespace {

double binomial(int n, int count, double probability) {
    return std::exp(std::lgamma(n + 1) - std::lgamma(count + 1) - std::lgamma(n - count + 1)) *
           std::pow(probability, count) * std::pow(1 - probability, n - count);
}

} // namespace

TEST(secure_sum, costs_on_average_what_all_draws_cost) {
    for (const auto sampling : {config::sampling_kind::poisson, config::sampling_kind::fixed}) {
        auto config = secure(3);
        config.privacy.clip = 1;
        config.privacy.sampling = sampling;
        constexpr double leaving = 0.2;
        // Of 10 clients each with 0.3, or three; of those drawn each leaves with 0.2. One alone sums nothing.
        double up = 0, down = 0;
        for (int n = 2; n <= 10; ++n) {
            const double drawn = sampling == config::sampling_kind::poisson ? binomial(10, n, 0.3) : n == 3;
            const auto terms = secure_terms(config, 0, static_cast<std::uint32_t>(n), 6);
            const auto leaves = privacy::secure_sum_traffic_of_leaving(terms);
            for (int left = 0; left <= n; ++left) {
                const double p = drawn * binomial(n, left, leaving);
                const auto stays = privacy::secure_sum_traffic(terms, static_cast<std::uint32_t>(left));
                up += p * static_cast<double>((n - left) * stays.up + left * leaves.up);
                down += p * static_cast<double>((n - left) * stays.down + left * leaves.down);
            }
        }

        const auto mean = secure_traffic(config, 0, 6, leaving);
        EXPECT_NEAR(mean.up, up, 1e-9 * up);
        EXPECT_NEAR(mean.down, down, 1e-9 * down);
    }
}

// Who leaves is known then.
TEST(secure_sum, without_privacy_costs_what_a_round_with_so_many_drop_outs_costs) {
    secure_round round{.config = secure()};
    auto some = four;
    some[1].weights.clear();
    round.of(some);
    double up = 0, down = 0;
    for (const auto& bytes : round.sum->exchanged()) {
        up += static_cast<double>(bytes.up);
        down += static_cast<double>(bytes.down);
    }

    const auto predicted = secure_traffic(round.config, 0, test::tiny_layout.size(), 0.25);
    EXPECT_DOUBLE_EQ(predicted.up, up);
    EXPECT_DOUBLE_EQ(predicted.down, down);
}

namespace {

config::run_config noisy(double noise_multiplier, double quantile = 0) {
    auto config = secure();
    config.privacy.clip = 1;
    config.privacy.clip_quantile = quantile;
    config.privacy.noise_multiplier = noise_multiplier;
    return config;
}

// What the refusal says would fit; 0 where there is none.
double what_fits(const std::function<void()>& act) {
    try {
        act();
    } catch (const input_error& e) {
        const std::string why = e.what(), before = "up to ";
        EXPECT_NE(why.find("privacy.noise_multiplier"), std::string::npos) << why;
        return std::stod(why.substr(why.find(before) + before.size()));
    }
    return 0;
}

} // namespace

TEST(secure_sum, has_room_for_as_much_noise_as_it_takes) {
    const auto& layout = test::lenet5;
    for (const double noise : {0.0, 1.0, 1000.0, 100000.0, 130000.0}) {
        const auto config = noisy(noise);
        const auto codec = secure_words<std::uint32_t>(config, guarantee_of(config), 1, layout.size());
        const double deviation = noise * codec.longest(1, layout.size()); // steps
        EXPECT_LE(deviation, 0x1p24);
        std::vector<double> value(1);
        for (const double sign : {-1.0, 1.0}) {
            const auto far = static_cast<std::int32_t>(sign * 40 * deviation);
            EXPECT_NO_THROW(codec.decode(std::vector{static_cast<std::uint32_t>(far)}, value)) << noise;
        }
    }
}

TEST(secure_sum, refuses_noise_that_words_do_not_hold_before_a_round_does) {
    const auto& layout = test::lenet5;
    for (const double quantile : {0.0, 0.5}) {
        const double fits = what_fits([&] { ensure_room_for_noise(noisy(200000, quantile), layout); });
        EXPECT_GT(fits, quantile > 0 ? 110000 : 130000);
        EXPECT_NO_THROW(ensure_room_for_noise(noisy(fits, quantile), layout));
        EXPECT_THROW(ensure_room_for_noise(noisy(1.002 * fits, quantile), layout), input_error);
        EXPECT_EQ(what_fits([&] {
                      const auto config = noisy(200000, quantile);
                      secure_words<std::uint32_t>(config, guarantee_of(config), 1, layout.size());
                  }),
                  fits)
            << "training says the same";
    }
    for (const auto* method : {"feddip", "fedavg", "fedprox"}) {
        auto config = noisy(1);
        config.method.name = method;
        EXPECT_TRUE(make_method(config)->start_mask(layout).count() == layout.prunable_size() ||
                    make_method(config)->plan(0).trains_all_weights())
            << method << " sends all weights at first";
    }
    auto open = noisy(200000);
    open.privacy.secure_sum = false;
    EXPECT_NO_THROW(ensure_room_for_noise(open, layout));
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
