#include "app/signals.hpp"

#include <unistd.h>

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

} // namespace

stop_signals::stop_signals() {
    stop_flag = 0;
    interrupts = 0;
    struct sigaction action {};
    action.sa_handler = request_stop;
    action.sa_flags = SA_RESTART; // writes of results and checkpoints must not fail with EINTR
    sigemptyset(&action.sa_mask);
    for (std::size_t i = 0; i < watched_.size(); ++i) {
        sigaction(watched_[i], &action, &before_[i]);
    }
}

stop_signals::~stop_signals() {
    for (std::size_t i = 0; i < watched_.size(); ++i) {
        sigaction(watched_[i], &before_[i], nullptr);
    }
}

bool stop_signals::stop_requested() const {
    return stop_flag != 0;
}

} // namespace feddip::app
