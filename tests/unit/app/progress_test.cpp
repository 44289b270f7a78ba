#include "app/progress.hpp"
#include "base/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace feddip::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A run that takes as long as the test says.
class Progress : public ::testing::Test {
protected:
    progress shown_as(progress_style style, int columns = 200) {
        return progress(out_, style, columns, [this] { return clock_; });
    }
    void start(progress& p, int rounds = 100) {
        fl::run_info info;
        info.method = "feddip";
        info.model = "lenet5";
        info.dataset = "fashion-mnist";
        info.rounds = rounds;
        p.on_start(info, state_);
    }
    void round(progress& p, double seconds, double accuracy = 0.5) {
        clock_ += seconds;
        fl::round_record record;
        record.round = ++state_.rounds_done;
        record.test_accuracy = accuracy;
        record.test_loss = accuracy == accuracy ? 1.25 : fl::not_measured;
        record.sparsity = 0.75;
        record.bytes_down = 1000;
        record.bytes_up = 500;
        state_.history.push_back(record);
        p.on_round(state_);
    }
    long lines() const {
        const auto text = out_.str();
        return std::ranges::count(text, '\n');
    }

    std::ostringstream out_;
    fl::run_state state_;
    double clock_ = 1000;
};

TEST_F(Progress, CountsToTheRoundInWhichABudgetIsSpent) {
    auto p = shown_as(progress_style::lines);
    p.ends_after(2);
    start(p);
    round(p, 10);

    EXPECT_THAT(out_.str(), HasSubstr("1/2"));
    EXPECT_THAT(out_.str(), HasSubstr("10 s left"));
}

TEST_F(Progress, ALineSaysWhereTheRunStands) {
    auto p = shown_as(progress_style::lines);
    start(p);
    round(p, 3);

    const auto text = out_.str();
    EXPECT_THAT(text, HasSubstr("feddip on fashion-mnist with lenet5"));
    EXPECT_THAT(text, HasSubstr("round   1/100"));
    EXPECT_THAT(text, HasSubstr("accuracy 50.00 %"));
    EXPECT_THAT(text, HasSubstr("loss 1.2500"));
    EXPECT_THAT(text, HasSubstr("sparsity 75.0 %"));
    EXPECT_THAT(text, HasSubstr("3.0 s/round"));
    EXPECT_THAT(text, HasSubstr("4 min 57 s left")); // 99 rounds of 3 s
    EXPECT_THAT(text, HasSubstr("down 1.00 kB  up 500 B"));
}

TEST_F(Progress, ALogGetsEachSlowRoundButNotEachFastOne) {
    auto slow = shown_as(progress_style::lines);
    start(slow);
    for (int i = 0; i < 10; ++i) {
        round(slow, 60);
    }
    EXPECT_EQ(lines(), 1 + 10);

    out_.str("");
    state_ = {};
    auto fast = shown_as(progress_style::lines);
    start(fast);
    for (int i = 0; i < 100; ++i) {
        round(fast, 0.1);
    }
    EXPECT_LE(lines(), 1 + 6);
    EXPECT_GE(lines(), 1 + 3);
}

TEST_F(Progress, TheLastRoundStandsInTheLogExactlyOnce) {
    auto p = shown_as(progress_style::lines);
    start(p, 3);
    for (int i = 0; i < 3; ++i) {
        round(p, 0.1);
    }
    p.on_finish(state_, true);
    EXPECT_THAT(out_.str(), HasSubstr("round 3/3"));
    EXPECT_EQ(lines(), 3); // the start, the first round, the last

    const auto before = out_.str();
    round(p, 60);
    const auto with_last = out_.str();
    EXPECT_NE(with_last, before);
    p.on_finish(state_, true);
    EXPECT_EQ(out_.str(), with_last);
}

TEST_F(Progress, ATerminalLineIsRedrawnAndEndsOnlyWithTheRun) {
    auto p = shown_as(progress_style::redraw);
    start(p);
    round(p, 1);
    p.on_progress(1, 0.5);
    EXPECT_THAT(out_.str(), Not(HasSubstr("+50 %"))); // too soon after the last
    clock_ += 1;
    p.on_progress(1, 0.5);
    EXPECT_THAT(out_.str(), HasSubstr("+50 %"));
    EXPECT_EQ(lines(), 1);
    p.on_finish(state_, false);
    EXPECT_EQ(lines(), 2);
}

TEST_F(Progress, ATerminalLineNeverWraps) {
    auto p = shown_as(progress_style::redraw, 40);
    start(p);
    out_.str("");
    round(p, 1);
    const std::string erase = "\x1b[K";
    EXPECT_EQ(out_.str().size(), 1 + 39 + erase.size());
}

TEST_F(Progress, RoundsThatAreNotEvaluatedShowTheLastAccuracy) {
    auto p = shown_as(progress_style::lines);
    start(p);
    round(p, 10, 0.25);
    out_.str("");
    round(p, 10, fl::not_measured);
    EXPECT_THAT(out_.str(), HasSubstr("accuracy 25.00 %"));
}

TEST_F(Progress, AResumedRunCountsTheBytesBeforeItButNotItsTime) {
    auto before = shown_as(progress_style::none);
    start(before);
    round(before, 500);
    EXPECT_EQ(out_.str(), "");

    auto p = shown_as(progress_style::lines);
    start(p);
    EXPECT_THAT(out_.str(), HasSubstr("going on after round 1"));
    round(p, 2);
    EXPECT_THAT(out_.str(), HasSubstr("2.0 s/round"));
    EXPECT_THAT(out_.str(), HasSubstr("down 2.00 kB  up 1.00 kB"));
}

TEST(ProgressStyle, TheEnvironmentDecidesAndTyposAreRefused) {
    setenv("FEDDIP_PROGRESS", "redraw", 1);
    EXPECT_EQ(choose_progress_style(), progress_style::redraw);
    setenv("FEDDIP_PROGRESS", "line", 1);
    EXPECT_EQ(choose_progress_style(), progress_style::lines);
    setenv("FEDDIP_PROGRESS", "none", 1);
    EXPECT_EQ(choose_progress_style(), progress_style::none);
    setenv("FEDDIP_PROGRESS", "lines", 1);
    EXPECT_THROW(choose_progress_style(), input_error);
    unsetenv("FEDDIP_PROGRESS");
}

} // namespace
} // namespace feddip::app
