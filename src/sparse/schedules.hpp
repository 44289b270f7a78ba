// What FedDIP turns up over the rounds (Long et al. 2023, section III). `round` = 0 .. rounds - 1.
#pragma once

namespace feddip::sparse {

// s_t = s_p + (s_0 - s_p) (1 - t/T)^3
double sparsity_at(int round, int rounds, double initial, double target);

enum class staircase {
    paper, // lambda_max (i - 1) / Q in segment i = 1 .. Q
    code,  // 0 in segment 1, then 5e-4 + (i - 2) (lambda_max - 5e-4) / (Q - 1): the authors' program
};

// lambda_t: a staircase of `steps` equal segments of the rounds. As in the authors' program a segment has
// floor(T/Q) rounds and the last one takes the remainder; with fewer rounds than steps every round is its
// own.
double regularization_at(int round, int rounds, double maximum, int steps, staircase kind);

// eta_t = eta_0 decay^t
double learning_rate_at(int round, double initial, double decay);

} // namespace feddip::sparse
