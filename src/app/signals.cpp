#include "app/signals.hpp"

#include <omp.h>
#include <unistd.h>

#include <algorithm>

namespace feddip::app {

namespace {

// A handler can reach nothing but statics.
volatile std::sig_atomic_t stop_flag = 0;
volatile std::sig_atomic_t interrupts = 0;

void request_stop(int signal) {
    stop_flag = 1;
    if (signal == SIGINT) {
        interrupts = interrupts + 1;
        if (interrupts > 1) {
            _exit(128 + SIGINT);
        }
    }
}

// What the kernel saves of a thread grows with the instruction set: 11 KiB where there are AMX tiles.
std::size_t bytes_for_a_handler() {
    constexpr long at_least = 64 * 1024;
    return static_cast<std::size_t>(std::max(at_least, sysconf(_SC_SIGSTKSZ)));
}

} // namespace

stop_signals::stop_signals() : stack_(bytes_for_a_handler()) {
    stop_flag = 0;
    interrupts = 0;
    stack_t stack{};
    stack.ss_sp = stack_.data();
    stack.ss_size = stack_.size();
    sigaltstack(&stack, &stack_before_);
    struct sigaction action {};
    action.sa_handler = request_stop;
    // SA_RESTART: writes of results and checkpoints must not fail with EINTR.
    action.sa_flags = SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    for (std::size_t i = 0; i < watched_.size(); ++i) {
        sigaction(watched_[i], &action, &before_[i]);
    }
}

stop_signals::~stop_signals() {
    for (std::size_t i = 0; i < watched_.size(); ++i) {
        sigaction(watched_[i], &before_[i], nullptr);
    }
    sigaltstack(&stack_before_, nullptr);
}

void stop_signals::keep_from_workers() const {
    sigset_t watched;
    sigemptyset(&watched);
    for (const int signal : watched_) {
        sigaddset(&watched, signal);
    }
#pragma omp parallel
    if (omp_get_thread_num() > 0) {
        pthread_sigmask(SIG_BLOCK, &watched, nullptr);
    }
}

bool stop_signals::stop_requested() const {
    return stop_flag != 0;
}

} // namespace feddip::app
