// Preparing a run on all ranks without leaving some of them waiting when it fails on others.
#pragma once

#include "app/exit_code.hpp"
#include "fl/transport.hpp"

#include <exception>
#include <functional>

namespace feddip::app {

// Thrown on all ranks alike, when the reason is on stderr already.
struct ended_together : std::exception {
    explicit ended_together(exit_code with) : code(with) {}
    const char* what() const noexcept override { return "all ranks ended together"; }
    exit_code code;
};

// Collective. Each rank does `step`, which must not be collective itself. When it throws on any, rank 0
// prints one line, that of the lowest rank on which it did, and all ranks throw ended_together.
void together(fl::transport& ranks, const std::function<void()>& step);

} // namespace feddip::app
