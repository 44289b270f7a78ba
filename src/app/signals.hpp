// Stopping on request: SIGTERM, SIGINT and SIGUSR1 ask the run to end after the round in progress.
#pragma once

#include <array>
#include <csignal>
#include <cstddef>
#include <vector>

namespace feddip::app {

// While an object lives the three signals only set a flag, which stop_requested() reads; a second SIGINT
// ends the process at once. At most one object at a time, in the main thread; the handlers before it come
// back after it.
class stop_signals {
public:
    stop_signals();
    ~stop_signals();
    stop_signals(const stop_signals&) = delete;
    stop_signals& operator=(const stop_signals&) = delete;

    bool stop_requested() const;

    // Has the workers of OpenMP that there are by now leave the three signals to other threads: each would
    // need a stack of its own for them.
    void keep_from_workers() const;

private:
    static constexpr std::array watched_{SIGTERM, SIGINT, SIGUSR1};
    std::array<struct sigaction, watched_.size()> before_{};
    // The handler may not run on the stack: oneDNN's matrix products before 3.11.2 keep a pointer to the heap
    // in the stack register, and what a signal puts there overwrites data (its issue 4845).
    std::vector<std::byte> stack_;
    stack_t stack_before_{};
};

} // namespace feddip::app
