// Runs whose clients are protected by differential privacy.
#include "base/error.hpp"
#include "fl/message.hpp"
#include "fl/privacy_guarantee.hpp"
#include "fl/sampling.hpp"
#include "privacy/seeded_key_for_tests.hpp"
#include "unit/fl/aggregation/aggregated.hpp"
#include "unit/fl/federation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

using namespace feddip;
using namespace feddip::fl;
using test::small_federation;

namespace {

privacy::secret key_of(std::uint64_t seed) {
    return privacy::seeded_key_for_tests(seed).kept();
}

config::run_config two_of_four(const config::privacy_section& how) {
    config::run_config c;
    c.federation.clients = 4;
    c.federation.clients_per_round = 2;
    c.privacy = how;
    return c;
}

// Of the tiny model, all of whose weights are sent.
aggregate private_mean(const config::privacy_section& how, const std::vector<test::client>& clients,
                       int round = 0, std::uint64_t seed = 1, std::optional<double> bound_of_round = {}) {
    const auto config = two_of_four(how);
    const auto rule = make_aggregation_rule(config);
    in_process_transport ranks;
    const auto model = test::model_of_first_two();
    auto plan = test::sending(upload_content::all_weights);
    plan.round = round;
    const std::vector<int> owners(clients.size(), 0);
    const auto sum = rule->start({plan,
                                  test::tiny_layout,
                                  model,
                                  owners,
                                  {.key = key_of(seed), .clip = bound_of_round.value_or(how.clip)}},
                                 ranks);
    for (std::size_t s = 0; s < clients.size(); ++s) {
        auto record = test::client_with(clients[s].samples);
        sum->add(static_cast<int>(s),
                 make_upload(plan, test::tiny_layout, model, {.weights = clients[s].weights}, record));
    }
    sum->collect();
    return sum->result(0);
}

std::vector<double> change(const aggregate& all) {
    const auto known = test::model_of_first_two().state;
    std::vector<double> by(known.size());
    for (std::size_t i = 0; i < by.size(); ++i) {
        by[i] = static_cast<double>(all.state[i]) - known[i];
    }
    return by;
}

double norm(const std::vector<double>& v) {
    return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
}

small_federation protected_federation(const config::privacy_section& how = {.clip = 1,
                                                                            .noise_multiplier = 0.5}) {
    small_federation f;
    f.config.privacy = how;
    f.key = key_of(3);
    return f;
}

std::string complaint(const std::function<void(config::run_config&)>& edit) {
    auto c = two_of_four({.clip = 1, .noise_multiplier = 1});
    edit(c);
    try {
        guarantee_of(c);
    } catch (const input_error& e) {
        return e.what();
    }
    return "none";
}

} // namespace

TEST(private_mean, counts_each_client_once_and_divides_by_the_number_aimed_at) {
    const auto all =
        private_mean({.clip = 1000}, {{test::weights_a, 7}, {test::weights_b, 1}, {test::weights_b, 3}});

    const auto known = test::model_of_first_two().state;
    for (std::size_t i = 0; i < known.size(); ++i) {
        EXPECT_FLOAT_EQ(all.state[i],
                        known[i] + (test::weights_a[i] + 2 * test::weights_b[i] - 3 * known[i]) / 2)
            << i;
    }
    EXPECT_EQ(all.next_clip, 1000);
}

TEST(private_mean, lets_no_client_move_the_sum_by_more_than_the_bound) {
    const auto one = change(private_mean({.clip = 0.5}, {{test::weights_a, 7}}));
    const auto far = change(private_mean({.clip = 0.5}, {{{1e20F, -1e20F, 0, 3, 1}, 7}}));

    EXPECT_NEAR(norm(one), 0.25, 1e-6); // of two clients aimed at
    EXPECT_NEAR(norm(far), 0.25, 1e-6);
    EXPECT_GT(one[4], 0) << "the direction stays";
}

TEST(private_mean, takes_an_update_with_nan_for_none) {
    auto poisoned = test::weights_a;
    poisoned[1] = NAN;

    EXPECT_EQ(private_mean({.clip = 1000}, {{poisoned, 7}, {test::weights_b, 1}}).state,
              private_mean({.clip = 1000}, {{test::weights_b, 1}}).state);
}

TEST(private_mean, of_nobody_is_noise_of_the_deviation_that_is_accounted_for) {
    double squares = 0;
    constexpr int rounds = 400;
    for (int round = 0; round < rounds; ++round) {
        const double length = norm(change(private_mean({.clip = 3, .noise_multiplier = 4}, {}, round)));
        squares += length * length;
    }

    const double deviation = std::sqrt(squares / rounds / static_cast<double>(test::tiny_layout.size()));
    EXPECT_NEAR(deviation, 4 * 3 / 2.0, 0.05 * 6) << "2000 draws have a relative error of 1.6 %";
}

// Of the bound of the round, not of the first; and more on the sum where the count has some of it.
TEST(private_mean, that_moves_its_bound_has_the_noises_that_cost_together_what_one_does) {
    const config::privacy_section how{.clip = 3, .clip_quantile = 0.5, .noise_multiplier = 4};
    const privacy_guarantee guarantee(two_of_four(how));
    ASSERT_GT(guarantee.sum_noise(), 4.01);
    double squares = 0, squares_of_count = 0;
    constexpr int rounds = 400;
    constexpr double bound = 0.7, clients = 2;
    for (int round = 0; round < rounds; ++round) {
        const auto all = private_mean(how, {}, round, 1, bound);
        const double length = norm(change(all));
        squares += length * length;
        const double count = std::log(all.next_clip / bound) / -0.2; // the share within the bound, from 0
        squares_of_count += count * count;
    }

    const double deviation = std::sqrt(squares / rounds / static_cast<double>(test::tiny_layout.size()));
    EXPECT_NEAR(deviation / (guarantee.sum_noise() * bound / clients), 1, 0.05);
    EXPECT_NEAR(std::sqrt(squares_of_count / rounds) / (guarantee.count_noise() / clients), 1, 0.1);
}

TEST(private_mean, has_noise_of_its_own_in_each_round_and_under_each_key_and_else_the_same) {
    const config::privacy_section how{.clip = 1, .noise_multiplier = 1};
    const std::vector<test::client> clients{{test::weights_a, 7}};

    const auto first = private_mean(how, clients, 5, 1).state;
    EXPECT_EQ(private_mean(how, clients, 5, 1).state, first);
    EXPECT_NE(private_mean(how, clients, 6, 1).state, first);
    EXPECT_NE(private_mean(how, clients, 5, 2).state, first);
}

TEST(private_mean, moves_its_bound_to_a_quantile_of_the_norms) {
    const std::vector<test::client> two{{test::weights_a, 7}, {test::weights_b, 1}};
    const auto next = [&](double clip, double quantile) {
        return private_mean({.clip = clip, .clip_quantile = quantile}, two).next_clip;
    };

    EXPECT_DOUBLE_EQ(next(1000, 0.5), 1000 * std::exp(-0.2 * 0.5));
    EXPECT_DOUBLE_EQ(next(0.001, 0.5), 0.001 * std::exp(0.2 * 0.5));
    EXPECT_DOUBLE_EQ(next(12, 0.25), 12 * std::exp(-0.2 * 0.25)) << "one of them is longer";
    EXPECT_EQ(next(0.001, 0), 0.001);
}

TEST(private_run, without_noise_and_with_room_for_all_updates_is_the_plain_one_but_for_rounding) {
    small_federation plain;
    plain.config.federation.rounds = 2;
    plain.config.method.name = "fedavg"; // a ranking could turn on the last bit
    plain.config.federation.clients_per_round =
        4; // so that the draw is the same, and they have as many images
    auto closed = protected_federation({.clip = 1e6});
    closed.config.federation = plain.config.federation;
    closed.config.method = plain.config.method;

    const auto a = plain.run().state, b = closed.run().state;

    for (std::size_t i = 0; i < a.model.state.size(); ++i) {
        ASSERT_NEAR(a.model.state[i], b.model.state[i], 1e-3) << i;
    }
    EXPECT_NEAR(a.history[0].test_loss, b.history[0].test_loss, 1e-3);
    EXPECT_TRUE(std::isinf(b.history[0].epsilon));
}

TEST(private_run, resumed_at_any_round_draws_the_same_noise_and_clients_again) {
    for (const auto sampling : {config::sampling_kind::fixed, config::sampling_kind::poisson}) {
        const config::privacy_section how{
            .clip = 1, .clip_quantile = 0.5, .noise_multiplier = 0.5, .sampling = sampling};
        const auto whole = protected_federation(how).run().state;
        for (int stop = 1; stop < 4; ++stop) {
            auto first = protected_federation(how);
            const auto half = first.run(std::nullopt, stop).state;
            auto second = protected_federation(how);
            second.key = key_of(99); // of no use to a run that goes on
            const auto end = second.run(half).state;
            EXPECT_TRUE(end.model.state == whole.model.state) << stop;
            EXPECT_EQ(end.protection->clip, whole.protection->clip);
            EXPECT_EQ(end.history.back().epsilon, whole.history.back().epsilon);
        }
    }
}

TEST(private_run, that_is_started_anew_draws_other_noise_unless_a_test_gives_it_the_key) {
    auto one = protected_federation(), other = protected_federation();
    one.key = other.key = std::nullopt;

    EXPECT_NE(one.run().state.model.state, other.run().state.model.state);
}

TEST(private_run, ends_where_its_budget_does) {
    auto f = protected_federation({.clip = 1, .noise_multiplier = 2, .delta = 1e-3});
    const privacy_guarantee unlimited(f.config);
    f.config.federation.evaluate_every = 100;
    f.config.privacy.epsilon = (unlimited.epsilon_after(2) + unlimited.epsilon_after(3)) / 2;

    const auto result = f.run();

    EXPECT_TRUE(result.complete);
    ASSERT_EQ(result.state.history.size(), 2U);
    EXPECT_EQ(result.state.history[0].epsilon, unlimited.epsilon_after(1));
    EXPECT_EQ(result.state.history[1].epsilon, unlimited.epsilon_after(2));
    EXPECT_FALSE(std::isnan(result.state.history[1].test_accuracy)) << "it is the last round";
}

TEST(private_run, has_the_noise_found_that_the_budget_pays_for) {
    auto c =
        two_of_four({.clip = 1, .epsilon = 5, .delta = 1e-3, .sampling = config::sampling_kind::poisson});
    c.federation.rounds = 30;
    const privacy_guarantee found(c);

    EXPECT_EQ(found.rounds(), 30);
    EXPECT_LE(found.epsilon_after(30), 5);
    EXPECT_GT(found.epsilon_after(30), 4.999);
    EXPECT_GT(found.epsilon_after(31), 5);
}

TEST(private_run, goes_on_through_rounds_without_clients) {
    auto f = protected_federation(
        {.clip = 1, .noise_multiplier = 0.5, .sampling = config::sampling_kind::poisson});
    f.config.federation.clients_per_round = 1;
    f.config.federation.rounds = 8;
    f.config.federation.local_epochs = 1;

    f.run();

    int empty = 0;
    for (std::size_t t = 1; t < f.seen.states.size(); ++t) {
        if (sample_secretly(*f.key, static_cast<int>(t), 4, 1, config::sampling_kind::poisson).empty()) {
            ++empty;
            EXPECT_NE(f.seen.states[t].model.state, f.seen.states[t - 1].model.state) << "it is noise";
        }
    }
    EXPECT_GT(empty, 0) << "choose another key";
    EXPECT_LT(empty, 7);
}

TEST(private_run, without_noise_rests_in_exactly_the_rounds_in_which_its_key_draws_nobody) {
    auto f = protected_federation({.clip = 1e6, .sampling = config::sampling_kind::poisson});
    f.config.method.name = "fedavg"; // which prunes nothing in a round of nobody
    f.config.federation.clients_per_round = 1;
    f.config.federation.rounds = 8;
    f.config.federation.local_epochs = 1;

    f.run();

    const auto* before = &f.seen.started_from.model.state;
    for (int t = 0; t < 8; ++t) {
        const auto& after = f.seen.states[static_cast<std::size_t>(t)].model.state;
        EXPECT_EQ(after == *before, sample_secretly(*f.key, t, 4, 1, config::sampling_kind::poisson).empty())
            << t;
        before = &after;
    }
}

TEST(private_run, writes_down_nothing_of_who_took_part) {
    const auto history_of = [](std::uint64_t seed) {
        auto f = protected_federation(
            {.clip = 1, .noise_multiplier = 0.5, .sampling = config::sampling_kind::poisson});
        f.config.data.partition = config::partition_kind::dirichlet;
        f.config.attack = {.kind = "sign_flip", .clients = 2, .strength = 1};
        f.key = key_of(seed);
        auto state = f.run().state;
        EXPECT_EQ(state.client_mask_version, std::vector<std::uint32_t>(4, 0));
        return state.history;
    };
    const auto a = history_of(1), b = history_of(2);
    for (std::size_t t = 0; t < a.size(); ++t) {
        EXPECT_TRUE(a[t].clients.empty());
        EXPECT_TRUE(std::isnan(a[t].train_loss));
        EXPECT_TRUE(std::isnan(a[t].seconds_round));
        EXPECT_TRUE(std::isnan(a[t].simulated_seconds));
        EXPECT_EQ(a[t].mpi_bytes, 0U);
        EXPECT_EQ(a[t].hostile_included, -1);
        EXPECT_EQ(a[t].bytes_up, b[t].bytes_up) << "whatever was drawn";
    }
    EXPECT_EQ(a[0].bytes_down, b[0].bytes_down);
    EXPECT_NE(sample_secretly(key_of(1), 0, 4, 3, config::sampling_kind::poisson),
              sample_secretly(key_of(2), 0, 4, 3, config::sampling_kind::poisson));
}

TEST(private_run, names_no_client_whose_update_has_nan) {
    for (const double clip : {0.0, 1.0}) {
        small_federation federation;
        federation.config.federation.rounds = 1;
        federation.config.privacy.clip = clip;
        federation.config.optimizer.learning_rate = 1e30;
        ::testing::internal::CaptureStderr();
        try {
            federation.run();
        } catch (const error&) { // where nobody is protected, there is nothing to go on with
        }
        const auto told = ::testing::internal::GetCapturedStderr();
        EXPECT_THAT(told, ::testing::HasSubstr("has NaN or Inf and is left out"));
        EXPECT_EQ(told.find("client ") == std::string::npos, clip > 0) << told;
    }
}

TEST(private_run, is_charged_for_the_clients_that_it_aims_at) {
    auto f = protected_federation();
    f.config.faults.drop_probability = 0.25;

    const auto state = f.run().state;

    const auto whole = header_bytes + sizeof(float) * state.model.state.size();
    EXPECT_EQ(static_cast<double>(state.history[0].bytes_up),
              std::round(3 * 0.75 * static_cast<double>(whole)))
        << "round 1 reconfigures, and all weights are sent";
    EXPECT_LT(state.history[1].bytes_up, state.history[0].bytes_up);
}

TEST(privacy_guarantee, splits_the_noise_between_sum_and_count_at_the_same_cost) {
    const privacy_guarantee plain(two_of_four({.clip = 1, .noise_multiplier = 2}));
    const privacy_guarantee adaptive(two_of_four({.clip = 1, .clip_quantile = 0.5, .noise_multiplier = 2}));

    EXPECT_EQ(plain.sum_noise(), 2);
    EXPECT_EQ(plain.count_noise(), 0);
    EXPECT_EQ(adaptive.epsilon_after(10), plain.epsilon_after(10));
    const double s = adaptive.sum_noise(), c = 2 * adaptive.count_noise();
    EXPECT_NEAR(1 / (s * s) + 1 / (c * c), 1 / 4.0, 1e-12);
}

// Worked out from the theorems that privacy/renyi.hpp names, in 40 digits: for fixed numbers theorem 27 of
// Wang et al. at noise 4/2, which is best at order 2; for Poisson sampling the binomial sum at whole orders,
// of which one is best among the usual ones.
TEST(privacy_guarantee, accounts_for_the_sampling_of_the_config) {
    const auto epsilon = [](config::sampling_kind sampling) {
        config::run_config c;
        c.federation.clients = 100;
        c.federation.clients_per_round = 10;
        c.privacy = {.clip = 1, .noise_multiplier = 4, .delta = 1e-3, .sampling = sampling};
        return privacy_guarantee(c).epsilon_after(1000);
    };
    EXPECT_NEAR(epsilon(config::sampling_kind::fixed), 16.81842591, 1e-6);
    EXPECT_NEAR(epsilon(config::sampling_kind::poisson), 2.742423226, 1e-6);
}

TEST(privacy_guarantee, of_a_fixed_number_costs_nothing_for_sums_that_fail) {
    config::run_config c;
    c.federation.clients = 50;
    c.federation.clients_per_round = 5;
    c.privacy = {.clip = 1, .noise_multiplier = 12, .delta = 1e-3, .secure_sum = true};
    const double all_stay = privacy_guarantee(c).epsilon_after(100);
    c.faults.drop_probability = 0.1;
    EXPECT_EQ(privacy_guarantee(c).epsilon_after(100), all_stay);
    EXPECT_LT(all_stay, 1.1);
}

TEST(privacy_guarantee, counts_that_a_secure_sum_may_fail) {
    const auto epsilon = [](int clients, int per_round, bool secure_sum, double drop = 0) {
        config::run_config c;
        c.federation.clients = clients;
        c.federation.clients_per_round = per_round;
        c.faults.drop_probability = drop;
        c.privacy = {
            .clip = 1, .noise_multiplier = 12, .delta = 1e-3, .sampling = config::sampling_kind::poisson};
        const privacy_guarantee plain(c);
        c.privacy.secure_sum = secure_sum;
        return std::pair(plain.epsilon_after(100), privacy_guarantee(c).epsilon_after(100));
    };
    const auto [many, many_secure] = epsilon(1000, 50, true);
    EXPECT_LT(many_secure, 1.01 * many); // fails with 1e-20
    const auto [some, some_secure] = epsilon(50, 15, true);
    EXPECT_GT(some_secure, some);
    EXPECT_TRUE(std::isfinite(some_secure));
    EXPECT_TRUE(std::isinf(epsilon(50, 15, true, 0.4).second));
    EXPECT_TRUE(std::isinf(epsilon(50, 5, true).second));
    const auto complaint_of_few = complaint([](auto& c) {
        c.privacy.sampling = config::sampling_kind::poisson;
        c.privacy.secure_sum = true;
        c.privacy.epsilon = 8;
    });
    EXPECT_THAT(complaint_of_few, testing::HasSubstr("no guarantee with so few clients"));
}

// Worked out in 40 digits: the epsilon at delta - p (1 + exp(epsilon)), of the binomial sums at whole orders,
// again and again until it stays. Without failing sums the first run costs 0.6961. The second one costs
// 1.1993, and fails with p = 3.7e-6, of delta = 1e-5.
TEST(privacy_guarantee, is_of_two_runs_that_differ_where_a_sum_fails) {
    const auto epsilon = [](int clients, int per_round, double noise, double delta) {
        config::run_config c;
        c.federation.clients = clients;
        c.federation.clients_per_round = per_round;
        c.privacy = {.clip = 1,
                     .noise_multiplier = noise,
                     .delta = delta,
                     .sampling = config::sampling_kind::poisson,
                     .secure_sum = true};
        return privacy_guarantee(c).epsilon_after(100);
    };
    EXPECT_NEAR(epsilon(50, 15, 12, 1e-3), 0.71177974, 1e-6);
    EXPECT_TRUE(std::isinf(epsilon(1000, 20, 1.2, 1e-5)));
}

TEST(privacy_guarantee, has_noise_found_that_lasts_where_sums_may_fail) {
    for (const auto& [clients, drop] : {std::pair{20, 0.0}, {35, 0.0}, {100, 0.2}}) {
        config::run_config c;
        c.federation.clients = 1000;
        c.federation.clients_per_round = clients;
        c.federation.rounds = 100;
        c.faults.drop_probability = drop;
        c.privacy = {.clip = 1, .epsilon = 8, .sampling = config::sampling_kind::poisson, .secure_sum = true};
        const privacy_guarantee found(c);
        EXPECT_GT(found.probability_of_failing(), 0);
        EXPECT_EQ(found.rounds(), 100) << clients;
        EXPECT_LE(found.epsilon_after(100), 8);
        EXPECT_GT(found.epsilon_after(101), clients == 35 ? 8 : found.epsilon_after(100));
    }
}

TEST(privacy_guarantee, lets_what_everybody_knows_be_released) {
    const auto guarantee = guarantee_of(two_of_four({.clip = 1, .noise_multiplier = 1}));
    round_record r;
    r.drift = 0.5;
    r.ever_alive = 0.75;
    r.mask_distance = 0.25;
    r.attack_success = 0.125;
    const auto shown = released(r, *guarantee);
    EXPECT_EQ(shown.drift, 0.5);
    EXPECT_EQ(shown.ever_alive, 0.75);
    EXPECT_EQ(shown.mask_distance, 0.25);
    EXPECT_EQ(shown.attack_success, 0.125);
}

TEST(privacy_guarantee, is_refused_where_something_else_shows_data) {
    using testing::HasSubstr;
    EXPECT_EQ(complaint([](auto&) {}), "none");
    for (const auto& [method, why] : {std::pair{"snip", "first mask"},
                                      {"prunefl", "first mask"},
                                      {"feddst", "masks at their own data"},
                                      {"prunetrain", "masks at their own data"},
                                      {"dispfl", "no server"}}) {
        EXPECT_THAT(complaint([&name = method](auto& c) { c.method.name = name; }), HasSubstr(why));
    }
    for (const auto* method : {"fedavg", "fedprox"}) {
        EXPECT_EQ(complaint([&](auto& c) { c.method.name = method; }), "none");
    }
    for (const auto& [attack, refused] : {std::pair{"alie", true},
                                          {"ipm", true},
                                          {"min_max", true},
                                          {"sign_flip", false},
                                          {"gaussian", false},
                                          {"label_flip", false},
                                          {"backdoor", false},
                                          {"mask_aware", false}}) {
        const auto said = complaint([&name = attack](auto& c) { c.attack = {.kind = name, .clients = 1}; });
        EXPECT_EQ(said.find("(attack.kind)") != std::string::npos, refused) << attack;
        EXPECT_EQ(said == "none", !refused) << said;
    }
    for (const auto& [partition, refused] : {std::pair{config::partition_kind::iid, false},
                                             {config::partition_kind::pathological, true},
                                             {config::partition_kind::dirichlet, true},
                                             {config::partition_kind::given, true}}) {
        const auto said = complaint([&of = partition](auto& c) {
            c.data.partition = of;
            EXPECT_NO_THROW(guarantee_of(c)) << "nothing drifts";
            c.drift = {.kind = config::drift_kind::noise, .at = {2}, .strength = 1};
        });
        EXPECT_EQ(said.find("(drift.kind)") != std::string::npos, refused) << said;
        EXPECT_EQ(said.find("data.partition = \"iid\"") != std::string::npos, refused) << said;
        EXPECT_EQ(said == "none", !refused) << said;
    }
    EXPECT_THAT(complaint([](auto& c) { c.privacy.epsilon = 0.01; }),
                HasSubstr("no budget for a single round"));
}

TEST(privacy_guarantee, is_refused_where_noise_would_break_the_model) {
    const auto c = two_of_four({.clip = 1});
    EXPECT_NO_THROW(ensure_bears_noise(c, test::tiny_layout));
    const parameter_layout with_statistics({{"a.weight", role::weight, {2, 2}, 0, 0, 2},
                                            {"n.running_var", role::running_variance, {1}, 0, 0, 2}});
    EXPECT_THROW(ensure_bears_noise(c, with_statistics), input_error);
    config::run_config plain;
    EXPECT_NO_THROW(ensure_bears_noise(plain, with_statistics));
}
