#include "sparse/schedules.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace feddip::sparse {

namespace {

// i - 1
int segment_of(int round, int rounds, int steps, staircase kind) {
    if (kind == staircase::paper) {
        return static_cast<int>(std::int64_t{round} * steps / rounds);
    }
    const int length = rounds / steps;
    return length == 0 ? steps - 1 : std::min(round / length, steps - 1);
}

} // namespace

double sparsity_at(int round, int rounds, double initial, double target) {
    const double left = 1.0 - static_cast<double>(round) / rounds;
    return target + (initial - target) * left * left * left;
}

double regularization_at(int round, int rounds, double maximum, int steps, staircase kind) {
    const int segment = segment_of(round, rounds, steps, kind);
    if (segment == 0 || maximum == 0.0) {
        return 0.0;
    }
    switch (kind) {
    case staircase::paper:
        return maximum * segment / steps;
    case staircase::code: {
        constexpr double lowest = 5e-4;
        return lowest + (segment - 1) * (maximum - lowest) / (steps - 1);
    }
    }
    return 0.0;
}

double learning_rate_at(int round, double initial, double decay) {
    return initial * std::pow(decay, round);
}

} // namespace feddip::sparse
