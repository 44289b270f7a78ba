#include "sparse/schedules.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::sparse {

double sparsity_at(int round, int rounds, double initial, double target) {
    const double left = 1.0 - static_cast<double>(round) / rounds;
    return target + (initial - target) * left * left * left;
}

double regularization_at(int round, int rounds, double maximum, int steps, staircase kind) {
    const int segment_length = std::max(1, rounds / steps);
    const int segment = std::min(round / segment_length, steps - 1); // i - 1
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
