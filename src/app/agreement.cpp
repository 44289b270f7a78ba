#include "app/agreement.hpp"

#include "app/report_error.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace feddip::app {

namespace {

// The exit code in one byte, then the reason; empty where nothing failed.
std::vector<std::byte> attempt(const std::function<void()>& step) {
    try {
        step();
        return {};
    } catch (...) {
        const auto problem = describe(std::current_exception());
        std::vector<std::byte> message(1 + problem.reason.size(), static_cast<std::byte>(problem.code));
        std::ranges::copy(std::as_bytes(std::span(problem.reason)), message.begin() + 1);
        return message;
    }
}

} // namespace

void together(fl::transport& ranks, const std::function<void()>& step) {
    auto message = attempt(step);
    if (!ranks.any(!message.empty())) {
        return;
    }
    const auto all = ranks.gather(message);
    const auto first = std::ranges::find_if(all, [](const auto& m) { return !m.empty(); });
    if (first != all.end()) {
        message = *first;
        print_error({reinterpret_cast<const char*>(message.data()) + 1, message.size() - 1});
    }
    ranks.broadcast(message);
    throw ended_together(static_cast<exit_code>(message.at(0)));
}

} // namespace feddip::app
