// Whole rounds on data that drift.
#include "base/error.hpp"
#include "unit/fl/federation.hpp"

#include <gtest/gtest.h>

#include <set>

using namespace feddip;
using test::small_federation;

namespace {

// Classes are places in the image, so that half a turn makes of each another one.
void turn_over(small_federation& what, int round) {
    what.config.drift = {.kind = config::drift_kind::rotation,
                         .pattern = config::drift_pattern::sudden,
                         .at = {round},
                         .strength = 180};
}

// Whatever a round has that drifts, from the start and with alarms.
void make_it_all_happen(small_federation& what) {
    what.config.federation.rounds = 8;
    what.config.federation.local_epochs = 1;
    what.config.sparsity.final_rounds = 6;
    what.config.drift = {.kind = config::drift_kind::noise,
                         .pattern = config::drift_pattern::gradual,
                         .at = {2, 6},
                         .strength = 0.3,
                         .clients = 0.5,
                         .samples_per_round = 40};
    what.config.analysis.mask_history = true;
}

void expect_same(const fl::run_state& a, const fl::run_state& b) {
    EXPECT_EQ(a.model.state, b.model.state);
    EXPECT_EQ(a.model.mask, b.model.mask);
    EXPECT_EQ(a.masks.ever_alive, b.masks.ever_alive);
    EXPECT_EQ(a.masks.reference, b.masks.reference);
    ASSERT_EQ(a.history.size(), b.history.size());
    for (std::size_t t = 0; t < a.history.size(); ++t) {
        const auto& x = a.history[t];
        const auto& y = b.history[t];
        EXPECT_EQ(x.test_loss, y.test_loss);
        EXPECT_EQ(x.train_loss, y.train_loss);
        EXPECT_EQ(x.bytes_up, y.bytes_up);
        EXPECT_EQ(x.drift, y.drift);
        EXPECT_EQ(x.alarm, y.alarm);
        EXPECT_EQ(x.ever_alive, y.ever_alive);
        EXPECT_EQ(x.mask_distance, y.mask_distance);
    }
}

} // namespace

TEST(drifting_rounds, forget_and_learn_again_and_are_tested_on_what_there_is_now) {
    small_federation what(400, 250);
    what.config.federation.rounds = 24;
    what.config.federation.local_epochs = 4;
    what.config.federation.batch_size = 16;
    what.config.sparsity.target = what.config.sparsity.initial = 0.5;
    turn_over(what, 13);

    const auto history = what.run().state.history;

    EXPECT_GT(history[11].test_accuracy, 0.9);
    EXPECT_EQ(history[11].drift, 0);
    EXPECT_EQ(history[12].drift, 180);
    EXPECT_GT(history[12].train_loss, history[11].train_loss + 0.1) << "in its last epoch of four";
    EXPECT_GT(history[23].test_accuracy, 0.9);
}

TEST(drifting_rounds, train_on_the_samples_of_the_round) {
    small_federation what;
    what.config.drift.samples_per_round = 10;

    const auto history = what.run().state.history;

    for (const auto& record : history) {
        for (const auto& c : record.clients) {
            EXPECT_EQ(c.samples, 10U);
        }
    }
}

TEST(drifting_rounds, resumed_at_any_round_end_in_the_bits_of_an_undisturbed_run) {
    small_federation whole;
    make_it_all_happen(whole);
    const auto undisturbed = whole.run().state;

    for (int stop = 1; stop < 8; stop += 2) {
        small_federation first;
        make_it_all_happen(first);
        const auto half = first.run(std::nullopt, stop).state;
        ASSERT_EQ(half.rounds_done, stop);
        small_federation second;
        make_it_all_happen(second);
        expect_same(second.run(half).state, undisturbed);
    }
}

TEST(drifting_rounds, answer_an_alarm_with_weights_that_were_never_alive_and_pay_for_it) {
    const auto run = [](config::answer_kind answer) {
        small_federation what;
        what.config.federation.rounds = 40;
        what.config.federation.local_epochs = 2;
        what.config.federation.batch_size = 16;
        what.config.sparsity.horizon = 2;
        what.config.sparsity.initial = 0.3;
        what.config.sparsity.target = 0.5;
        what.config.sparsity.final_rounds = 36;
        what.config.adaptation.answer = answer;
        what.config.adaptation.rounds = 6;
        what.config.adaptation.threshold = 0.1;
        what.config.adaptation.relaxed_sparsity = 0.3;
        what.config.analysis.mask_history = true;
        turn_over(what, 30);
        return what.run().state.history;
    };
    const auto frozen = run(config::answer_kind::none);
    EXPECT_EQ(frozen.back().ever_alive, frozen[10].ever_alive);
    EXPECT_EQ(frozen.back().mask_distance, 0) << "the mask rests since before the drift began";
    for (const auto answer : {config::answer_kind::regrow, config::answer_kind::relax}) {
        const auto history = run(answer);
        int alarm = 0;
        std::uint64_t bytes = 0;
        std::uint64_t frozen_bytes = 0;
        for (const auto& r : history) {
            alarm = r.alarm != 0 && alarm == 0 ? r.round : alarm;
            bytes += r.bytes_up + r.bytes_down;
            const auto& f = frozen[static_cast<std::size_t>(r.round) - 1];
            frozen_bytes += f.bytes_up + f.bytes_down;
            if (alarm == 0) {
                EXPECT_EQ(r.test_loss, f.test_loss);
            }
        }
        ASSERT_GE(alarm, 30) << history[28].train_loss << ", then " << history[29].train_loss;
        ASSERT_LT(alarm, 34);
        const auto& first_answer = history[static_cast<std::size_t>(alarm)];
        EXPECT_GT(first_answer.mask_change, 0);
        EXPECT_GT(first_answer.ever_alive, frozen.back().ever_alive);
        EXPECT_GT(history.back().mask_distance, 0);
        EXPECT_NEAR(first_answer.sparsity, answer == config::answer_kind::relax ? 0.3 : 0.5, 1e-4);
        EXPECT_NEAR(history.back().sparsity, 0.5, 1e-4);
        EXPECT_GT(bytes, frozen_bytes);
    }
}

TEST(drifting_rounds, leave_a_run_without_drift_as_it_was) {
    small_federation plain;
    small_federation with_strength;
    with_strength.config.drift = {.kind = config::drift_kind::blur, .at = {4}, .strength = 1};
    const auto a = plain.run().state;
    const auto b = with_strength.run().state; // of four rounds
    for (std::size_t t = 0; t < 3; ++t) {
        EXPECT_EQ(a.history[t].test_loss, b.history[t].test_loss);
        EXPECT_EQ(a.history[t].train_loss, b.history[t].train_loss);
    }
    EXPECT_NE(a.history[3].test_loss, b.history[3].test_loss);
}
