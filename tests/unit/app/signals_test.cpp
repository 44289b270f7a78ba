#include "app/signals.hpp"
#include "nn/network.hpp"
#include "unit/nn/support.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <ctime>
#include <vector>

namespace feddip::app {
namespace {

// Sends itself SIGUSR1 all the time, as long as an object lives.
class signal_storm {
public:
    signal_storm() {
        sigevent event{};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGUSR1;
        timer_create(CLOCK_MONOTONIC, &event, &timer_);
        constexpr timespec period{0, 100'000}; // 0.1 ms
        const itimerspec often{period, period};
        timer_settime(timer_, 0, &often, nullptr);
    }
    ~signal_storm() { timer_delete(timer_); }
    signal_storm(const signal_storm&) = delete;
    signal_storm& operator=(const signal_storm&) = delete;

private:
    timer_t timer_{};
};

// What LeNet-5 holds, gradients included, after some dense steps.
std::vector<float> trained() {
    nn::network network(nn::network_options{.kernels = config::kernel_kind::dense});
    nn::test::draw_state(network, 1);
    const nn::test::synthetic_batch batch({1, 28, 28}, 64, 10);
    auto dropout = nn::test::dropout_stream();
    std::vector<float> found;
    for (int step = 0; step < 200; ++step) {
        network.train(batch.view(), dropout);
        found.insert(found.end(), network.gradients().begin(), network.gradients().end());
    }
    return found;
}

class StopSignal : public ::testing::TestWithParam<int> {};

TEST_P(StopSignal, AsksTheRunToStopWithoutEndingIt) {
    const stop_signals signals;
    EXPECT_FALSE(signals.stop_requested());
    std::raise(GetParam());
    EXPECT_TRUE(signals.stop_requested());
}

INSTANTIATE_TEST_SUITE_P(Signals, StopSignal, ::testing::Values(SIGTERM, SIGINT, SIGUSR1));

TEST(StopSignals, LeaveWhatOneDnnComputesAsItIs) {
    omp_set_num_threads(1); // all of it in the thread that gets the signals
    const auto undisturbed = trained();
    const stop_signals signals;
    const signal_storm storm;
    EXPECT_TRUE(trained() == undisturbed);
    EXPECT_TRUE(signals.stop_requested());
}

TEST(StopSignals, AreNotForWorkers) {
    omp_set_num_threads(3);
    const stop_signals signals;
    signals.keep_from_workers();
    int left_to_main = 0;
#pragma omp parallel reduction(+ : left_to_main)
    {
        sigset_t blocked;
        pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
        const bool main = omp_get_thread_num() == 0;
        for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
            left_to_main += (sigismember(&blocked, signal) == 1) != main ? 1 : 0;
        }
    }
    omp_set_num_threads(1);
    EXPECT_EQ(left_to_main, 9);
}

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
