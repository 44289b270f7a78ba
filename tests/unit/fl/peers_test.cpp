// Federations without a server: DisPFL and DA-DPFL.
#include "base/error.hpp"
#include "fl/evaluation.hpp"
#include "fl/intersection_average.hpp"
#include "fl/message.hpp"
#include "fl/neighbourhood.hpp"
#include "fl/sampling.hpp"
#include "sparse/codec.hpp"
#include "sparse/start.hpp"
#include "unit/fl/federation.hpp"
#include "unit/fl/masks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <vector>

using namespace feddip;
using namespace feddip::fl;
using feddip::test::small_federation;

namespace {

struct peer_federation : small_federation {
    explicit peer_federation(std::size_t train_images = 400, std::size_t test_images = 250)
        : small_federation(train_images, test_images) {
        config.method.name = "dispfl";
    }

    parameter_layout layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);

    std::vector<std::size_t> erk_counts() const {
        return sparse::alive_per_layer(layout, sparse::erk_densities(layout, config.sparsity.target));
    }

    // Of the models that clients have in the end, by client; none for those that never trained.
    std::map<int, global_model> models_after(const run_state& state) {
        std::map<int, global_model> models;
        for (int c = 0; c < config.federation.clients; ++c) {
            const int kept_in = state.client_kept_in[static_cast<std::size_t>(c)];
            if (kept_in >= 0) {
                decode(residuals.load_model(c, kept_in), layout, models[c]);
            }
        }
        return models;
    }
};

void expect_same_models(peer_federation& one, peer_federation& other, const run_state& state) {
    for (int c = 0; c < one.config.federation.clients; ++c) {
        const int kept_in = state.client_kept_in[static_cast<std::size_t>(c)];
        ASSERT_GE(kept_in, 0) << "client " << c << " was never sampled";
        EXPECT_EQ(one.residuals.load_model(c, kept_in), other.residuals.load_model(c, kept_in)) << c;
    }
}

// Stopped after any round and resumed. Returns the state in which it ends.
run_state expect_the_same_when_resumed(const config::run_config& config) {
    peer_federation undisturbed;
    undisturbed.config = config;
    const auto expected = undisturbed.run().state;
    for (int stop = 1; stop < config.federation.rounds; ++stop) {
        peer_federation what;
        what.config = config;
        const auto resumed = what.run(what.run(std::nullopt, stop).state).state;
        EXPECT_EQ(resumed.client_kept_in, expected.client_kept_in) << stop;
        expect_same_models(what, undisturbed, expected);
        for (std::size_t t = 0; t < expected.history.size(); ++t) {
            EXPECT_EQ(resumed.history[t].test_accuracy, expected.history[t].test_accuracy);
            EXPECT_EQ(resumed.history[t].test_loss, expected.history[t].test_loss);
            EXPECT_EQ(resumed.history[t].layer_density, expected.history[t].layer_density);
            EXPECT_EQ(resumed.history[t].bytes_up, expected.history[t].bytes_up);
        }
    }
    return expected;
}

} // namespace

TEST(intersection_average, is_the_mean_over_the_models_in_whose_mask_a_weight_is_alive) {
    const parameter_layout layout(
        {{"a.weight", role::weight, {3, 2}, 0, 0, 2}, {"a.bias", role::bias, {2}, 0, 0, 2}});
    random_stream random(1, 0, 0, purpose::test);
    std::vector<global_model> models;
    for (int k = 0; k < 4; ++k) {
        global_model m{std::vector<float>(layout.size()), {6, false}, 0};
        for (std::size_t i = 0; i < m.state.size(); ++i) {
            const bool alive = i >= 6 || (i > 0 && random.below(2) == 0);
            m.state[i] = alive ? random.uniform() - 0.5F : 0.0F;
            if (i < 6) {
                m.mask.set(i, alive);
            }
        }
        models.push_back(m);
    }
    models[0].mask.set(5, true); // alive and 0 counts as well
    models[0].state[5] = 0;
    const auto mask = test::mask_of({1, 0, 1, 1, 0, 1});
    intersection_average average(layout);
    std::ranges::for_each(models, [&](const auto& m) { average.add(m); });

    const auto [mean, pruning_error] = average.pruned_to(mask);

    double before = 0, after = 0;
    for (std::size_t i = 0; i < layout.size(); ++i) {
        double sum = 0;
        int count = 0;
        for (const auto& m : models) {
            if (i >= 6 || m.mask[i]) {
                sum += m.state[i];
                ++count;
            }
        }
        const double expected = count > 0 ? sum / count : 0;
        const bool kept = i >= 6 || mask[i];
        EXPECT_NEAR(mean.state[i], kept ? expected : 0, 1e-7) << i;
        before += i < 6 ? expected * expected : 0;
        after += i < 6 && kept ? expected * expected : 0;
    }
    EXPECT_EQ(mean.mask, mask);
    EXPECT_NEAR(pruning_error, (before - after) / before, 1e-6);
}

TEST(dispfl, gives_each_client_a_first_mask_of_its_own_with_the_same_density_per_layer) {
    const peer_federation what;
    const auto method = make_method(what.config);
    const auto first = method->personal_mask(what.layout, 0);
    const auto second = method->personal_mask(what.layout, 1);
    EXPECT_NE(first, second);
    EXPECT_EQ(test::alive_in(first, what.layout), what.erk_counts());
    EXPECT_EQ(test::alive_in(second, what.layout), what.erk_counts());
}

TEST(dispfl, refuses_what_it_can_not_honour) {
    auto rounded = peer_federation(10, 10).config;
    rounded.communication.value_type = config::value_kind::bf16;
    EXPECT_THROW(make_method(rounded), input_error);
    auto analysed = peer_federation(10, 10).config;
    analysed.analysis.convergence_every = 1;
    EXPECT_THROW(make_method(analysed), input_error);
}

TEST(peers, keep_the_density_of_each_layer_while_their_masks_change) {
    peer_federation what;
    what.config.federation.rounds = 6;
    const auto state = what.run().state;

    for (const auto& [client, model] : what.models_after(state)) {
        EXPECT_EQ(test::alive_in(model.mask, what.layout), what.erk_counts()) << client;
        for (std::size_t i = 0; i < model.mask.size(); ++i) {
            ASSERT_TRUE(model.mask[i] || model.state[i] == 0.0F) << i;
        }
    }
    const auto counts = what.erk_counts();
    double changed = 0;
    for (const auto& r : state.history) {
        changed += r.mask_change;
        for (std::size_t l = 0; l < counts.size(); ++l) {
            EXPECT_NEAR(r.layer_density[l] * static_cast<double>(what.layout.weights()[l].size),
                        static_cast<double>(counts[l]), 1e-6);
        }
        EXPECT_NEAR(r.sparsity, 0.9, 1e-4);
    }
    EXPECT_EQ(state.history.front().mask_change, 0);
    EXPECT_GT(changed, 0);
}

TEST(peers, start_from_the_average_with_their_neighbours_in_the_mask_that_they_chose) {
    peer_federation what;
    what.config.federation.clients_per_round = what.config.federation.clients;
    what.config.federation.rounds = 2;
    what.config.optimizer.learning_rate = 1e-30; // weights stay where they start
    what.config.optimizer.weight_decay = 0;
    what.config.dispfl.readjusted_share = 0; // and masks what they are
    const auto end = what.models_after(what.run().state);

    std::map<int, global_model> before;
    for (const auto& [client, model] : end) {
        decode(what.residuals.load_model(client, 0), what.layout, before[client]);
    }
    for (const auto& [client, model] : end) {
        ASSERT_EQ(model.mask, before[client].mask);
        for (std::size_t i = 0; i < model.mask.size(); ++i) {
            float sum = 0;
            int count = 0;
            for (const auto& [peer, theirs] : before) { // all of them are neighbours
                if (theirs.mask[i]) {
                    sum += theirs.state[i];
                    ++count;
                }
            }
            ASSERT_NEAR(model.state[i], model.mask[i] ? sum / static_cast<float>(count) : 0.0F, 1e-6) << i;
        }
    }
}

TEST(peers, are_charged_for_each_message_once_on_both_sides) {
    peer_federation what;
    what.config.federation.clients = 6;
    what.config.federation.clients_per_round = 4;
    what.shares = test::deal(what.data, 6);
    what.config.federation.rounds = 5;
    what.config.dispfl.neighbours = 2;
    what.config.faults.drop_probability = 0.3;
    const auto history = what.run().state.history;
    const auto method = make_method(what.config);

    std::map<int, int> trained_in;
    std::size_t dropped = 0;
    for (int t = 0; t < what.config.federation.rounds; ++t) {
        const auto& record = history[static_cast<std::size_t>(t)];
        std::vector<int> sampled;
        for (const auto& c : record.clients) {
            sampled.push_back(c.id);
            dropped += c.dropped_out != 0 ? 1 : 0;
        }
        // The stored message is what goes over the wire: values in the mask, biases, and the coded mask.
        const auto bytes_of = [&](int client) {
            if (trained_in.contains(client)) {
                return what.residuals.load_model(client, trained_in[client]).size();
            }
            const auto mask = method->personal_mask(what.layout, client);
            return 20 + sparse::encode(mask, what.layout).size() +
                   4 * (mask.count() + what.layout.size() - what.layout.prunable_size());
        };
        std::size_t down = 0;
        std::map<int, std::size_t> up;
        for (const auto& receiver : record.clients) {
            for (const int sender : neighbours_of(1, t, sampled, receiver.id, 2)) {
                const auto& from = *std::ranges::find(record.clients, sender, &client_record::id);
                if (from.dropped_out == 0) {
                    down += bytes_of(sender);
                    up[sender] += bytes_of(sender);
                }
            }
        }
        EXPECT_EQ(record.bytes_down, down) << t;
        EXPECT_EQ(record.bytes_up, down) << t;
        for (const auto& c : record.clients) {
            EXPECT_EQ(c.bytes_up, up[c.id]) << t << ' ' << c.id;
        }
        EXPECT_LT(record.bytes_positions, record.bytes_down);
        EXPECT_GT(record.bytes_positions, record.bytes_down / 20);
        for (const auto& c : record.clients) {
            if (c.included != 0) {
                trained_in[c.id] = t;
            }
        }
    }
    EXPECT_GT(dropped, 0U);
}

TEST(peers, go_through_rounds_with_a_handful_of_images) {
    peer_federation what(40, 20);
    what.config.federation.rounds = 3;
    what.config.federation.local_epochs = 1;
    what.config.federation.batch_size = 8;

    const auto history = what.run().state.history;

    ASSERT_EQ(history.size(), 3U);
    for (const auto& c : history.back().clients) {
        EXPECT_EQ(c.included, 1);
        EXPECT_TRUE(std::isfinite(c.train_loss));
    }
}

TEST(peers, send_nothing_where_only_one_is_sampled) {
    peer_federation what;
    what.config.federation.clients_per_round = 1;
    for (const auto& r : what.run().state.history) {
        EXPECT_EQ(r.bytes_down, 0U);
        EXPECT_EQ(r.bytes_up, 0U);
    }
}

TEST(peers, resumed_anywhere_give_the_bits_of_an_undisturbed_run) {
    expect_the_same_when_resumed(peer_federation().config);
}

TEST(peers, are_measured_each_on_its_own_test_share_with_the_model_it_has) {
    peer_federation what;
    const auto state = what.run().state;
    nn::network network({.max_batch = evaluation_batch});
    const auto models = what.models_after(state);
    ASSERT_EQ(models.size(), 4U) << "some client was never sampled";

    double sum = 0;
    for (const auto& [client, model] : models) {
        const auto& share = what.shares.test[static_cast<std::size_t>(client)];
        in_process_transport alone;
        const auto all = evaluate(model, what.data, network, alone);
        sum += accuracy_by_client(all, what.data, what.shares)[static_cast<std::size_t>(client)];
        EXPECT_EQ(evaluate(model, what.data, share, network).accuracy,
                  accuracy_by_client(all, what.data, what.shares)[static_cast<std::size_t>(client)]);
    }
    EXPECT_DOUBLE_EQ(state.history.back().test_accuracy, sum / 4);
}

TEST(peers, learn) {
    peer_federation what;
    test::expect_that_it_learns(what);
}

TEST(peers, that_all_drop_out_leave_everything_as_it_was) {
    peer_federation what;
    what.config.federation.rounds = 8;
    what.config.faults.drop_probability = 0.8;
    const auto history = what.run().state.history;
    bool seen = false;
    for (std::size_t t = 1; t < history.size(); ++t) {
        const auto& r = history[t];
        if (std::ranges::all_of(r.clients, [](const auto& c) { return c.dropped_out != 0; })) {
            seen = true;
            EXPECT_EQ(r.test_accuracy, history[t - 1].test_accuracy);
            EXPECT_EQ(r.layer_density, history[t - 1].layer_density);
            EXPECT_EQ(r.bytes_down, 0U);
            EXPECT_TRUE(std::isnan(r.train_loss));
        }
    }
    EXPECT_TRUE(seen);
}

TEST(peers, whose_models_all_become_infinite_end_the_run_with_a_reason) {
    peer_federation what;
    what.config.optimizer.learning_rate = 1e30;
    EXPECT_THROW(what.run(), error);
}

namespace {

// Whose clients wait, and prune from their third training on.
struct waiting_federation : peer_federation {
    waiting_federation() {
        config.method.name = "dadpfl";
        config.federation.clients_per_round = config.federation.clients;
        config.sparsity.initial = 0.5;
        config.dadpfl.pruning_threshold = 1000;
    }

    std::vector<participant> introduced_in(int round) const {
        std::vector<participant> who;
        for (int client = 0; client < config.federation.clients; ++client) {
            who.push_back({.client = client});
        }
        introduce(who, *make_method(config), round, config.federation.seed);
        return who;
    }
};

} // namespace

TEST(dadpfl, without_waits_and_pruning_is_dispfl_to_the_bit) {
    peer_federation plain;
    plain.config.faults.drop_probability = 0.2;
    plain.config.dispfl = {.neighbours = 2, .readjusted_share = 0.4};
    plain.config.federation.rounds = 6;
    peer_federation other;
    other.config = plain.config;
    other.config.method.name = "dadpfl";
    other.config.sparsity.initial = plain.config.sparsity.target;
    other.config.dadpfl = {.neighbours = 2, .readjusted_share = 0.4, .waits = 0};

    const auto expected = plain.run().state;
    const auto found = other.run().state;

    EXPECT_EQ(found.client_kept_in, expected.client_kept_in);
    expect_same_models(other, plain, expected);
    for (std::size_t t = 0; t < expected.history.size(); ++t) {
        const auto& a = expected.history[t];
        const auto& b = found.history[t];
        EXPECT_EQ(a.test_accuracy, b.test_accuracy);
        EXPECT_EQ(a.test_loss, b.test_loss);
        EXPECT_EQ(a.target_sparsity, b.target_sparsity);
        EXPECT_EQ(a.layer_density, b.layer_density);
        EXPECT_EQ(a.mask_change, b.mask_change);
        EXPECT_EQ(a.bytes_down, b.bytes_down);
        EXPECT_EQ(a.bytes_positions, b.bytes_positions);
    }
}

TEST(dadpfl, averages_what_those_it_waits_for_have_trained_in_the_same_round) {
    waiting_federation what;
    what.config.federation.rounds = 2;
    what.config.dadpfl.readjusted_share = 0;
    what.config.dadpfl.pruning_threshold = 0;
    what.config.dadpfl.waits = 2;
    what.config.optimizer.learning_rate = 1e-30; // weights stay where they start
    what.config.optimizer.weight_decay = 0;
    const auto state = what.run().state;

    const auto who = what.introduced_in(1);
    std::map<int, global_model> before, after;
    for (int c = 0; c < 4; ++c) {
        decode(what.residuals.load_model(c, 0), what.layout, before[c]);
        decode(what.residuals.load_model(c, 1), what.layout, after[c]);
    }
    std::size_t waits = 0;
    for (const auto& [client, model] : after) {
        const auto& awaited = who[static_cast<std::size_t>(client)].awaited;
        waits += awaited.size();
        for (std::size_t i = 0; i < model.mask.size(); ++i) {
            float sum = 0;
            int count = 0;
            for (const auto& [peer, older] : before) {
                const auto& theirs = std::ranges::count(awaited, peer) > 0 ? after.at(peer) : older;
                if (theirs.mask[i]) {
                    sum += theirs.state[i];
                    ++count;
                }
            }
            ASSERT_NEAR(model.state[i], model.mask[i] ? sum / static_cast<float>(count) : 0.0F, 1e-6) << i;
        }
    }
    EXPECT_EQ(waits, 0U + 1 + 2 + 2);
}

TEST(dadpfl, takes_as_long_as_the_chain_of_those_who_wait) {
    waiting_federation what;
    what.config.links.latency_ms = {1000}; // there and back, two seconds
    what.config.dadpfl.waits = 2;
    for (const auto& round : what.run().state.history) {
        std::vector<double> seconds;
        for (const auto& c : round.clients) {
            seconds.push_back(c.simulated_seconds);
        }
        std::ranges::sort(seconds);
        EXPECT_THAT(seconds, testing::ElementsAre(2, 4, 6, 6));
        EXPECT_EQ(round.simulated_seconds, 6);
    }
}

TEST(dadpfl, prunes_masks_further_until_they_are_at_their_target_and_sends_less) {
    waiting_federation what;
    what.config.federation.rounds = 14;
    what.config.federation.local_epochs = 1;
    what.config.sparsity.target = 0.7;
    const auto state = what.run().state;
    const auto& history = state.history;

    // Agreed in t = 1, pruned after training in t = 2 and in each round from there on.
    for (int t : {0, 1, 2}) {
        EXPECT_NEAR(history[static_cast<std::size_t>(t)].sparsity, 0.5, 1e-3);
    }
    EXPECT_GT(history[3].sparsity, history[2].sparsity + 0.01);
    EXPECT_GT(history[4].sparsity, history[3].sparsity + 0.01);
    EXPECT_LT(history[4].bytes_up, history[2].bytes_up);
    for (std::size_t t = 1; t < history.size(); ++t) {
        EXPECT_GE(history[t].sparsity, history[t - 1].sparsity - 1e-12);
    }
    EXPECT_GE(history.back().sparsity, 0.7);
    EXPECT_EQ(history.back().sparsity, history[history.size() - 2].sparsity) << "it goes on past its target";
    for (const auto& [client, model] : what.models_after(state)) {
        for (std::size_t i = 0; i < model.mask.size(); ++i) {
            ASSERT_TRUE(model.mask[i] || model.state[i] == 0.0F) << i;
        }
    }
}

// Each message is the stored one of the version that its receiver has got.
TEST(dadpfl, charges_the_message_of_the_model_that_was_sent) {
    waiting_federation what;
    what.config.federation.rounds = 7;
    what.config.dadpfl.neighbours = 2;
    what.config.dadpfl.waits = 1;
    const auto state = what.run().state;
    std::size_t fresh = 0;
    for (int t = 1; t < what.config.federation.rounds; ++t) {
        std::size_t bytes = 0;
        for (const auto& p : what.introduced_in(t)) {
            fresh += p.awaited.size();
            for (const int peer : p.senders) {
                const bool waits = std::ranges::count(p.awaited, peer) > 0;
                bytes += what.residuals.load_model(peer, waits ? t : t - 1).size();
            }
        }
        EXPECT_EQ(state.history[static_cast<std::size_t>(t)].bytes_down, bytes) << t;
        EXPECT_EQ(state.history[static_cast<std::size_t>(t)].bytes_up, bytes) << t;
    }
    EXPECT_GT(fresh, 0U);
}

TEST(dadpfl, resumed_anywhere_gives_the_bits_of_an_undisturbed_run) {
    auto config = waiting_federation().config;
    config.federation.rounds = 6;
    config.federation.local_epochs = 1;
    config.dadpfl.pruning_pace = 1;
    const auto history = expect_the_same_when_resumed(config).history;
    EXPECT_GT(history.back().sparsity, 0.51) << "nothing was pruned";
}

TEST(dadpfl, learns) {
    waiting_federation what;
    test::expect_that_it_learns(what);
}
