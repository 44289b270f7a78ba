#include "app/signals.hpp"

#include <gtest/gtest.h>

namespace feddip::app {
namespace {

class StopSignal : public ::testing::TestWithParam<int> {};

TEST_P(StopSignal, AsksTheRunToStopWithoutEndingIt) {
    const stop_signals signals;
    EXPECT_FALSE(signals.stop_requested());
    std::raise(GetParam());
    EXPECT_TRUE(signals.stop_requested());
}

INSTANTIATE_TEST_SUITE_P(Signals, StopSignal, ::testing::Values(SIGTERM, SIGINT, SIGUSR1));

TEST(StopSignals, ARequestDoesNotOutliveTheObject) {
    {
        const stop_signals signals;
        std::raise(SIGTERM);
    }
    EXPECT_FALSE(stop_signals().stop_requested());
}

TEST(StopSignals, TheHandlersBeforeComeBack) {
    struct sigaction ignore {
    }, now{};
    ignore.sa_handler = SIG_IGN;
    struct sigaction before {};
    sigaction(SIGUSR1, &ignore, &before);
    { const stop_signals signals; }
    sigaction(SIGUSR1, &before, &now);
    EXPECT_EQ(now.sa_handler, SIG_IGN);
}

TEST(StopSignalsDeathTest, ASecondInterruptEndsAtOnce) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            const stop_signals signals;
            std::raise(SIGINT);
            std::raise(SIGINT);
        },
        ::testing::ExitedWithCode(130), "");
}

} // namespace
} // namespace feddip::app
