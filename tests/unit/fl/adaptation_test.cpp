#include "base/error.hpp"
#include "fl/adaptation.hpp"
#include "unit/fl/federation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace feddip;
using test::small_federation;
using testing::HasSubstr;

namespace {

// LeNet-5 that rests at its target from round 3 on, on a stream whose loss the test makes up.
config::run_config resting(config::answer_kind answer) {
    auto c = test::small_config();
    c.federation.rounds = 100;
    c.sparsity.target = 0.9;
    c.sparsity.horizon = 4;
    c.sparsity.final_rounds = 98;
    c.adaptation = {.answer = answer, .rounds = 12};
    c.adaptation.relaxed_sparsity = 0.5;
    return c;
}

fl::round_record loss_of_round(int t, double loss) {
    fl::round_record r;
    r.round = t + 1;
    r.train_loss = loss * std::log(10);
    return r;
}

struct stage {
    small_federation federation;
    fl::in_process_transport alone;
    fl::workplace here;

    explicit stage(const config::run_config& config)
        : federation(with(config)),
          here({federation.config, federation.data, federation.shares, federation.residuals}, alone, {}) {}

    static small_federation with(const config::run_config& config) {
        small_federation f;
        f.config = config;
        return f;
    }
};

// 40 rounds of a loss of 0.1, then 0.9: alarm in round t = 40.
std::vector<fl::round_record> history_with_alarm(fl::adaptation& answers) {
    std::vector<fl::round_record> history;
    for (int t = 0; t < 41; ++t) {
        auto record = loss_of_round(t, t < 40 ? 0.1 : 0.9);
        answers.plan(t);
        answers.listen(record);
        EXPECT_EQ(record.alarm, t == 40 ? 1 : 0) << t;
        history.push_back(record);
    }
    return history;
}

} // namespace

TEST(adaptation, follows_the_method_alone_without_an_answer) {
    stage s(resting(config::answer_kind::none));
    fl::adaptation answers(s.here, {});
    for (int t = 0; t < 60; ++t) {
        auto record = loss_of_round(t, t < 40 ? 0.1 : 0.9);
        const auto plan = answers.plan(t);
        answers.listen(record);
        EXPECT_EQ(record.alarm, 0);
        EXPECT_EQ(plan.reconfigures, s.here.how->plan(t).reconfigures);
    }
}

TEST(adaptation, regrows_each_horizon_for_some_rounds_after_an_alarm) {
    stage s(resting(config::answer_kind::regrow));
    fl::adaptation answers(s.here, {});
    history_with_alarm(answers);
    for (int t = 41; t < 60; ++t) {
        const auto plan = answers.plan(t);
        const bool due = t == 41 || t == 45 || t == 49;
        EXPECT_EQ(plan.reconfigures, due) << t;
        EXPECT_EQ(plan.upload, due ? fl::upload_content::all_weights : fl::upload_content::in_mask) << t;
        EXPECT_NEAR(plan.target_sparsity, 0.9, 1e-12);
        EXPECT_EQ(plan.regrown_share > 0, due);
    }
    EXPECT_DOUBLE_EQ(answers.plan(41).regrown_share, 0.3);
    EXPECT_NEAR(answers.plan(49).regrown_share, 0.15 * (1 + std::cos(std::acos(-1) * 8 / 12)), 1e-12);
}

TEST(adaptation, changes_masks_by_the_alarm_alone_while_the_schedule_goes_on) {
    auto config = resting(config::answer_kind::regrow);
    config.sparsity.final_rounds = 50;
    config.sparsity.horizon = 5;
    stage s(config);
    fl::adaptation answers(s.here, {});
    history_with_alarm(answers);
    for (int t = 41; t < 55; ++t) {
        const auto plan = answers.plan(t);
        const bool due = t == 41 || t == 46 || t == 51;
        const bool last_change = t == 49;
        EXPECT_EQ(plan.reconfigures, due || last_change) << t;
        EXPECT_EQ(plan.upload == fl::upload_content::all_weights, due || last_change) << t;
    }
}

TEST(adaptation, relaxes_the_sparsity_and_goes_up_to_the_schedule_again) {
    stage s(resting(config::answer_kind::relax));
    fl::adaptation answers(s.here, {});
    history_with_alarm(answers);
    for (int t = 41; t < 60; ++t) {
        const auto plan = answers.plan(t);
        EXPECT_EQ(plan.reconfigures, t == 41 || t == 45 || t == 49 || t == 52) << t;
        EXPECT_EQ(plan.regrown_share, 0);
    }
    EXPECT_NEAR(answers.plan(41).target_sparsity, 0.5, 1e-12);
    EXPECT_NEAR(answers.plan(45).target_sparsity, 0.9 - 0.4 * std::pow(1 - 4 / 12.0, 3), 1e-12);
    EXPECT_NEAR(answers.plan(52).target_sparsity, 0.9, 1e-12);
    EXPECT_NEAR(answers.plan(53).target_sparsity, 0.9, 1e-12);
}

TEST(adaptation, is_back_at_the_target_where_the_run_ends_before_an_answer_would) {
    auto config = resting(config::answer_kind::relax);
    config.federation.rounds = 48;
    config.sparsity.final_rounds = 46;
    stage s(config);
    fl::adaptation answers(s.here, {});
    history_with_alarm(answers);
    EXPECT_NEAR(answers.plan(41).target_sparsity, 0.5, 1e-12);
    EXPECT_NEAR(answers.plan(45).target_sparsity, 0.9 - 0.4 * std::pow(1 - 4 / 7.0, 3), 1e-12);
    EXPECT_TRUE(answers.plan(47).reconfigures);
    EXPECT_NEAR(answers.plan(47).target_sparsity, 0.9, 1e-12);
}

TEST(adaptation, does_not_listen_while_it_answers_and_begins_anew_after) {
    stage s(resting(config::answer_kind::regrow));
    fl::adaptation answers(s.here, {});
    history_with_alarm(answers);
    int alarms = 0;
    for (int t = 41; t < 100; ++t) { // high from here on: the new normal, and then higher still
        auto record = loss_of_round(t, t < 95 ? 0.5 : 1);
        answers.listen(record);
        EXPECT_TRUE(record.alarm == 0 || t >= 95) << t;
        alarms += record.alarm;
    }
    EXPECT_EQ(alarms, 1);
}

TEST(adaptation, hears_the_past_again) {
    stage s(resting(config::answer_kind::regrow));
    fl::adaptation first(s.here, {});
    const auto history = history_with_alarm(first);
    for (std::size_t known = 0; known <= history.size(); ++known) {
        fl::adaptation resumed(s.here, std::span(history).first(known));
        for (std::size_t t = known; t < history.size(); ++t) {
            auto record = history[t];
            record.alarm = 0;
            resumed.listen(record);
            EXPECT_EQ(record.alarm, history[t].alarm) << known << ": " << t;
        }
        EXPECT_TRUE(resumed.plan(41).reconfigures) << known;
    }
}

TEST(adaptation, is_refused_where_the_method_knows_no_answer) {
    const auto complaint = [](auto change) {
        auto c = resting(config::answer_kind::regrow);
        change(c);
        try {
            fl::make_method(c);
        } catch (const input_error& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    EXPECT_EQ(complaint([](auto&) {}), "");
    EXPECT_THAT(complaint([](auto& c) { c.method.name = "fedavg"; }), HasSubstr("only feddip does"));
    EXPECT_THAT(complaint([](auto& c) { c.sparsity.regrow = false; }), HasSubstr("take true"));
    EXPECT_THAT(complaint([](auto& c) { c.sparsity.layer_floor = 0.01; }), HasSubstr("layer_floor"));
    EXPECT_THAT(complaint([](auto& c) {
                    c.communication.reconfiguration_upload = config::reconfiguration_upload_kind::topk;
                }),
                HasSubstr("reconfiguration_upload"));
}
