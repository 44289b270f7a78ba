#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace feddip::log {

namespace {

spdlog::level::level_enum to_spdlog(level at) {
    switch (at) {
    case level::debug:
        return spdlog::level::debug;
    case level::info:
        return spdlog::level::info;
    case level::warning:
        return spdlog::level::warn;
    case level::error:
        return spdlog::level::err;
    }
    return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> logger() {
    auto existing = spdlog::get("feddip");
    if (!existing) {
        existing = spdlog::stderr_logger_mt("feddip");
        existing->set_pattern("feddip: %l: %v");
        existing->flush_on(spdlog::level::debug);
    }
    return existing;
}

} // namespace

void configure(int rank, level least) {
    auto target = logger();
    target->set_level(to_spdlog(least));
    target->set_pattern(rank < 0 ? "feddip: %l: %v" : fmt::format("feddip: %l: [rank {}] %v", rank));
}

void write(level at, const std::string& line) {
    logger()->log(to_spdlog(at), line);
}

} // namespace feddip::log
