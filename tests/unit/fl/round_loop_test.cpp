#include "base/error.hpp"
#include "data/batches.hpp"
#include "fl/message.hpp"
#include "fl/records.hpp"
#include "fl/round_loop.hpp"
#include "nn/network.hpp"
#include "unit/fl/federation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

using namespace feddip;
using test::small_federation;

namespace {

void expect_same_future(const fl::run_state& a, const fl::run_state& b) {
    EXPECT_EQ(a.rounds_done, b.rounds_done);
    EXPECT_EQ(a.model.state, b.model.state);
    EXPECT_EQ(a.model.mask, b.model.mask);
    EXPECT_EQ(a.model.mask_version, b.model.mask_version);
    EXPECT_EQ(a.client_mask_version, b.client_mask_version);
    ASSERT_EQ(a.history.size(), b.history.size());
    for (std::size_t t = 0; t < a.history.size(); ++t) {
        EXPECT_EQ(a.history[t].test_accuracy, b.history[t].test_accuracy);
        EXPECT_EQ(a.history[t].train_loss, b.history[t].train_loss);
        EXPECT_EQ(a.history[t].bytes_down, b.history[t].bytes_down);
        EXPECT_EQ(a.history[t].bytes_up, b.history[t].bytes_up);
    }
}

// Runs both, alike but for the upload.
void expect_same_bits_with_either_upload(small_federation& sparse_upload, small_federation& dense_upload,
                                         bool regrow) {
    sparse_upload.config.compute.kernels = config::kernel_kind::dense;
    sparse_upload.config.sparsity.regrow = regrow;
    dense_upload.config = sparse_upload.config;
    dense_upload.config.communication.upload = config::upload_kind::dense;

    const auto a = sparse_upload.run().state;
    const auto b = dense_upload.run().state;

    EXPECT_TRUE(a.model.state == b.model.state) << regrow; // too many to print
    EXPECT_TRUE(a.model.mask == b.model.mask) << regrow;
    // Between reconfigurations; half of the weights are pruned from the start.
    EXPECT_LT(a.history[1].bytes_up, 6 * b.history[1].bytes_up / 10);
}

// What a network makes of each test image alone.
std::vector<nn::batch_score> one_by_one(const small_federation& federation, const fl::global_model& model) {
    nn::network network({.max_batch = 1, .kernels = config::kernel_kind::dense});
    std::ranges::copy(model.state, network.state().begin());
    network.use_mask(nullptr, nn::gradient_scope::on_mask);
    data::evaluation_batches loader(federation.data, federation.data.test, 1);
    std::vector<nn::batch_score> scores;
    for (std::uint32_t i = 0; i < federation.data.test.size(); ++i) {
        scores.push_back(network.evaluate(loader.load({&i, 1})));
    }
    return scores;
}

} // namespace

TEST(round_loop, learns_and_tells_its_observers_about_every_round) {
    small_federation federation;
    federation.config.federation.rounds = 12;
    federation.config.federation.local_epochs = 4;
    federation.config.federation.batch_size = 16;
    federation.config.sparsity.target = 0.8;

    const auto result = federation.run();

    EXPECT_TRUE(result.complete);
    EXPECT_TRUE(federation.seen.finished);
    ASSERT_EQ(federation.seen.states.size(), 12U);
    const auto& history = result.state.history;
    for (int t = 0; t < 12; ++t) {
        const auto& record = history[static_cast<std::size_t>(t)];
        EXPECT_EQ(record.round, t + 1);
        EXPECT_EQ(record.clients.size(), 3U);
        EXPECT_EQ(record.layer_density.size(), 5U);
    }
    EXPECT_GT(history.back().test_accuracy, 0.9);
    EXPECT_LT(history.back().train_loss, history.front().train_loss);
}

TEST(round_loop, measures_the_norms_of_layers_when_asked_and_changes_nothing_else) {
    small_federation plain;
    small_federation measured;
    measured.config.analysis.layer_norms_every = 2;

    const auto a = plain.run().state;
    const auto b = measured.run().state;

    EXPECT_TRUE(a.model.state == b.model.state);
    for (const auto& record : b.history) {
        EXPECT_EQ(record.layer_weight_norm.size(), record.round % 2 == 0 ? 5U : 0U);
    }
    const auto& last = b.history.back();
    double squares = 0;
    for (std::size_t l = 0; l < 5; ++l) {
        squares += std::pow(last.layer_weight_norm[l], 2);
        EXPECT_LE(last.layer_alive_gradient_norm[l], last.layer_gradient_norm[l]);
        EXPECT_GT(last.layer_gradient_norm[l], 0);
    }
    const auto weights = std::span(b.model.state).first(b.model.mask.size());
    double expected = 0;
    for (const float w : weights) {
        expected += std::pow(w, 2);
    }
    EXPECT_NEAR(squares, expected, 1e-6 * expected);
    EXPECT_TRUE(a.history.back().layer_weight_norm.empty());
}

TEST(round_loop, measures_the_accuracy_of_each_class_when_asked) {
    small_federation measured;
    measured.config.analysis.class_accuracy = true;
    measured.config.federation.evaluate_every = 3;

    const auto state = measured.run().state;

    for (const auto& record : state.history) {
        ASSERT_EQ(record.class_accuracy.size(), std::isnan(record.test_accuracy) ? 0U : 10U);
    }
    std::vector<double> images(10);
    for (const auto label : measured.data.test.labels) {
        ++images[label];
    }
    const auto& last = state.history.back();
    double right = 0;
    for (std::size_t c = 0; c < images.size(); ++c) {
        if (images[c] > 0) {
            right += images[c] * last.class_accuracy[c];
        } else {
            EXPECT_TRUE(std::isnan(last.class_accuracy[c]));
        }
    }
    EXPECT_NEAR(right, last.test_accuracy * static_cast<double>(measured.data.test.size()), 1e-9);
}

TEST(round_loop, keeps_the_model_pruned_to_the_schedule) {
    small_federation federation;

    federation.run();

    for (const auto& state : federation.seen.states) {
        const auto& record = state.history.back();
        const auto weights = std::span(state.model.state).first(state.model.mask.size());
        for (std::size_t i = 0; i < weights.size(); ++i) {
            ASSERT_TRUE(state.model.mask[i] || weights[i] == 0.0F);
        }
        const int reconfigured = (record.round - 1) / 2 * 2; // t of the last reconfiguration
        const double expected = 0.9 + (0.5 - 0.9) * std::pow(1.0 - reconfigured / 4.0, 3);
        EXPECT_NEAR(record.sparsity, expected, 1e-4) << record.round;
    }
}

TEST(round_loop, records_the_regularization_that_clients_train_with) {
    small_federation plain, regularized;
    plain.config.regularization.maximum = 0;
    regularized.config.regularization = {.maximum = 0.5, .steps = 4};

    const auto without = plain.run().state;
    const auto with = regularized.run().state;

    for (std::size_t t = 0; t < 4; ++t) {
        EXPECT_EQ(without.history[t].regularization, 0);
        EXPECT_EQ(with.history[t].regularization, 0.125 * static_cast<double>(t));
        EXPECT_EQ(regularized.seen.states[t].model.state == plain.seen.states[t].model.state, t == 0) << t;
    }
}

TEST(round_loop, ends_in_the_same_bits_with_sparse_and_with_dense_upload) {
    for (const bool regrow : {true, false}) {
        small_federation sparse_upload;
        small_federation dense_upload;
        expect_same_bits_with_either_upload(sparse_upload, dense_upload, regrow);
    }
}

TEST(round_loop, ends_in_the_same_bits_with_either_upload_on_alexnet) {
    for (const bool regrow : {true, false}) {
        small_federation sparse_upload(40, 10, config::dataset_name::cifar_10);
        small_federation dense_upload(40, 10, config::dataset_name::cifar_10);
        auto& c = sparse_upload.config;
        c.model.name = config::model_name::alexnet;
        c.federation.clients_per_round = 2;
        c.federation.local_epochs = 1;
        c.federation.rounds = 3;
        c.federation.evaluate_every = 3;
        expect_same_bits_with_either_upload(sparse_upload, dense_upload, regrow);
    }
}

TEST(round_loop, resumed_at_any_round_gives_the_bits_of_an_undisturbed_run) {
    small_federation undisturbed;
    const auto expected = undisturbed.run().state;
    for (int stop = 1; stop < 4; ++stop) {
        small_federation first;
        const auto stopped = first.run(std::nullopt, stop);
        EXPECT_FALSE(stopped.complete);
        EXPECT_FALSE(first.seen.finished);
        EXPECT_EQ(stopped.state.rounds_done, stop);

        small_federation second;
        expect_same_future(second.run(stopped.state).state, expected);
    }
}

TEST(round_loop, with_per_client_start_masks_keeps_initial_values_everywhere_until_the_first_ranking) {
    small_federation federation;
    federation.config.sparsity.start_mask = config::start_mask_kind::per_client;

    federation.run();

    EXPECT_EQ(federation.seen.started_from.model.mask.sparsity(), 0.0);
    EXPECT_EQ(federation.seen.started_from.model.mask_version, 0U);
    const auto& first = federation.seen.states.front();
    EXPECT_NEAR(first.model.mask.sparsity(), 0.5, 1e-4);
    // All of w_0 was sent, no mask.
    EXPECT_EQ(first.history[0].bytes_positions, 0U);
    EXPECT_EQ(first.history[0].bytes_down, 3 * (fl::header_bytes + 4 * 61706));
}

TEST(round_loop, fedavg_costs_the_whole_model_both_ways_and_no_positions) {
    small_federation federation;
    federation.config.method.name = "fedavg";

    const auto state = federation.run().state;

    for (const auto& record : state.history) {
        EXPECT_EQ(record.bytes_down, 3 * (fl::header_bytes + 4 * 61706));
        EXPECT_EQ(record.bytes_up, 3 * (fl::header_bytes + 4 * 61706));
        EXPECT_EQ(record.bytes_positions, 0U);
        EXPECT_EQ(record.sparsity, 0.0);
    }
}

TEST(round_loop, evaluates_only_when_asked_and_after_the_last_round) {
    small_federation federation;
    federation.config.federation.rounds = 5;
    federation.config.federation.evaluate_every = 2;

    const auto history = federation.run().state.history;

    EXPECT_TRUE(std::isnan(history[0].test_accuracy));
    EXPECT_FALSE(std::isnan(history[1].test_accuracy));
    EXPECT_TRUE(std::isnan(history[2].test_accuracy));
    EXPECT_FALSE(std::isnan(history[3].test_accuracy));
    EXPECT_FALSE(std::isnan(history[4].test_accuracy));
}

// Small enough for valgrind, which takes minutes for it (tests/system/CMakeLists.txt).
TEST(round_loop, goes_through_all_kinds_of_rounds_with_a_handful_of_images) {
    small_federation federation(40, 20);
    federation.config.federation.rounds = 3;
    federation.config.federation.local_epochs = 1;
    federation.config.federation.batch_size = 8;
    federation.config.federation.evaluate_every = 3;
    federation.config.communication.reconfiguration_upload =
        config::reconfiguration_upload_kind::topk_residual;

    const auto state = federation.run().state;

    ASSERT_EQ(state.history.size(), 3U);
    for (const auto& round : state.history) {
        const bool reconfigures = round.round != 2;
        EXPECT_EQ(round.mask_change > 0, reconfigures) << round.round;
        EXPECT_EQ(round.clients[0].bytes_positions > 0, reconfigures) << round.round;
        for (const auto& c : round.clients) {
            EXPECT_EQ(c.included, 1);
            EXPECT_TRUE(std::isfinite(c.train_loss));
        }
    }
    EXPECT_TRUE(std::isfinite(state.history.back().test_loss));
}

TEST(round_loop, ends_with_a_reason_when_every_update_explodes) {
    small_federation federation;
    federation.config.optimizer.learning_rate = 1e30;
    try {
        federation.run();
        FAIL();
    } catch (const error& e) {
        EXPECT_NE(std::string(e.what()).find("learning_rate"), std::string::npos) << e.what();
    }
}

TEST(round_loop, counts_the_test_images_whose_class_comes_first_and_among_the_first_five) {
    small_federation federation;
    federation.config.federation.rounds = 2; // it is right now and then

    const auto state = federation.run().state;

    int first = 0, among_five = 0;
    for (const auto& image : one_by_one(federation, state.model)) {
        first += image.correct;
        among_five += image.correct_top5;
    }
    const auto images = static_cast<double>(federation.data.test.size());
    EXPECT_LT(first, among_five);
    EXPECT_LT(among_five, images);
    EXPECT_DOUBLE_EQ(state.history.back().test_accuracy, first / images);
    EXPECT_DOUBLE_EQ(state.history.back().test_top5_accuracy, among_five / images);
}

// Client 0 has the test images of class 0, client 1 those of the next two, and so on.
TEST(round_loop, on_non_iid_shares_reports_the_mean_of_the_clients_own_accuracies) {
    small_federation federation;
    federation.config.data.partition = config::partition_kind::pathological;
    federation.config.federation.rounds = 2;
    const std::size_t owner[] = {0, 1, 1, 2, 2, 2, 3, 3, 3, 3};
    federation.shares.test.assign(4, {});
    for (std::uint32_t i = 0; i < federation.data.test.size(); ++i) {
        federation.shares.test[owner[federation.data.test.labels[i]]].push_back(i);
    }

    const auto state = federation.run().state;

    const auto scores = one_by_one(federation, state.model);
    std::vector<double> accuracies;
    int right = 0;
    for (const auto& share : federation.shares.test) {
        int own = 0;
        for (const std::uint32_t i : share) {
            own += scores[i].correct;
        }
        right += own;
        accuracies.push_back(own / static_cast<double>(share.size()));
    }
    const double mean = std::accumulate(accuracies.begin(), accuracies.end(), 0.0) / 4;
    const auto& last = state.history.back();
    EXPECT_DOUBLE_EQ(last.test_accuracy, mean);
    EXPECT_NE(mean, right / static_cast<double>(scores.size())) << "shares are of different size";
    std::set<double> different;
    for (const auto& c : last.clients) {
        EXPECT_DOUBLE_EQ(c.accuracy, accuracies[static_cast<std::size_t>(c.id)]) << c.id;
        different.insert(c.accuracy);
    }
    EXPECT_GT(different.size(), 1U);
}

TEST(round_loop, with_topk_uploads_sends_less_when_it_reconfigures_and_still_learns) {
    small_federation dense;
    dense.config.federation.rounds = 12;
    dense.config.federation.local_epochs = 4;
    dense.config.federation.batch_size = 16;
    small_federation topk;
    topk.config = dense.config;
    topk.config.communication.reconfiguration_upload = config::reconfiguration_upload_kind::topk;

    const auto all = dense.run().state.history;
    const auto largest = topk.run().state.history;

    for (std::size_t t = 0; t < all.size(); ++t) {
        EXPECT_EQ(largest[t].bytes_up < all[t].bytes_up, t % 2 == 0) << t;
        EXPECT_EQ(largest[t].clients[0].bytes_positions > 0, t % 2 == 0) << t;
    }
    EXPECT_GT(largest.back().test_accuracy, 0.9);
}

TEST(round_loop, with_residuals_resumes_to_the_same_bits_and_differs_from_topk_without) {
    const auto with_residuals = [](small_federation& f) {
        f.config.federation.rounds = 8;
        f.config.communication.reconfiguration_upload = config::reconfiguration_upload_kind::topk_residual;
    };
    small_federation undisturbed;
    with_residuals(undisturbed);
    const auto expected = undisturbed.run().state;
    small_federation without;
    with_residuals(without);
    without.config.communication.reconfiguration_upload = config::reconfiguration_upload_kind::topk;

    small_federation resumed;
    with_residuals(resumed);
    const auto stopped = resumed.run(std::nullopt, 5);
    expect_same_future(resumed.run(stopped.state).state, expected);
    EXPECT_NE(without.run().state.model.state, expected.model.state);
}

TEST(round_loop, with_bf16_uploads_sends_half_the_values_still_learns_and_resumes_to_the_same_bits) {
    const auto rounded = [](small_federation& f) {
        f.config.federation.rounds = 12;
        f.config.federation.local_epochs = 4;
        f.config.federation.batch_size = 16;
        f.config.communication.value_type = config::value_kind::bf16;
    };
    small_federation exact, undisturbed, resumed;
    rounded(exact);
    exact.config.communication.value_type = config::value_kind::f32;
    rounded(undisturbed);
    rounded(resumed);

    const auto of_floats = exact.run().state.history;
    const auto expected = undisturbed.run().state;
    for (std::size_t t = 0; t < of_floats.size(); ++t) {
        EXPECT_LT(expected.history[t].bytes_up, 0.6 * static_cast<double>(of_floats[t].bytes_up)) << t;
    }
    EXPECT_GT(expected.history.back().test_accuracy, 0.9);

    const auto stopped = resumed.run(std::nullopt, 5);
    expect_same_future(resumed.run(stopped.state).state, expected);
}

TEST(round_loop, records_what_the_round_would_take_over_the_links_of_the_config) {
    small_federation linked, plain;
    linked.config.links.uplink_mbit = {8.0}; // a byte per microsecond
    linked.config.links.train_ms_per_image = {1.0};

    const auto with = linked.run().state;
    const auto without = plain.run().state;

    EXPECT_EQ(with.model.state, without.model.state);
    for (std::size_t t = 0; t < with.history.size(); ++t) {
        EXPECT_TRUE(std::isnan(without.history[t].simulated_seconds));
        double slowest = 0;
        for (const auto& c : with.history[t].clients) {
            slowest = std::max(slowest, 1e-6 * static_cast<double>(c.bytes_up) +
                                            1e-3 * linked.config.federation.local_epochs * c.samples);
        }
        EXPECT_NEAR(with.history[t].simulated_seconds, slowest, 1e-12);
    }
}

// One client that answers with numbers that aren't finite can't end a run in which a rule needs three.
TEST(records, of_too_few_answers_for_a_rule_are_none_and_of_enough_that_are_not_finite_an_error) {
    const fl::client_record dropped{.samples = 1, .included = 0, .dropped_out = 1};
    const fl::client_record broken{.samples = 1, .included = 0};
    const std::vector<fl::client_record> one{broken, dropped, dropped};
    const std::vector<fl::client_record> all{broken, broken, broken};

    EXPECT_EQ(fl::require_usable(one, 0, 3).updates, 0);
    EXPECT_TRUE(std::isnan(fl::require_usable(one, 0, 3).train_loss));
    EXPECT_THROW(fl::require_usable(all, 0, 3), error);
    EXPECT_THROW(fl::require_usable(one, 0), error);
}

// Krum needs all three clients of a round.
TEST(round_loop, keeps_the_model_where_too_few_updates_are_left_for_the_rule) {
    small_federation federation;
    federation.config.aggregation.rule = "krum";
    federation.config.federation.rounds = 6;
    federation.config.faults.drop_probability = 0.3;

    federation.run();

    std::set<bool> kept;
    auto before = federation.seen.started_from.model;
    for (const auto& state : federation.seen.states) {
        const auto& clients = state.history.back().clients;
        const auto dropped = std::ranges::count(clients, 1, &fl::client_record::dropped_out);
        const auto taken = std::ranges::count(clients, 1, &fl::client_record::included);
        EXPECT_EQ(taken, dropped == 0 ? 1 : 0);
        EXPECT_EQ(state.model.state == before.state, dropped > 0);
        EXPECT_EQ(std::isnan(state.history.back().train_loss), dropped > 0);
        kept.insert(dropped > 0);
        before = state.model;
    }
    EXPECT_EQ(kept.size(), 2U) << "both must happen";
}

TEST(round_loop, goes_on_where_a_hostile_client_of_as_few_as_the_rule_needs_sends_what_is_not_finite) {
    small_federation federation;
    federation.config.aggregation = {.rule = "trimmed_mean", .hostile = 1};
    federation.config.attack = {.kind = "sign_flip", .clients = 1, .strength = 1e300};

    federation.run();

    int attacked = 0;
    auto before = federation.seen.started_from.model;
    for (const auto& state : federation.seen.states) {
        const auto& clients = state.history.back().clients;
        const auto hostile = std::ranges::count(clients, 1, &fl::client_record::hostile);
        EXPECT_EQ(std::ranges::count(clients, 1, &fl::client_record::included), 3 - hostile);
        EXPECT_NE(state.model.state, before.state);
        attacked += static_cast<int>(hostile);
        before = state.model;
    }
    EXPECT_GT(attacked, 0);
}
