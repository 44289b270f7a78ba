// What FedDIP turns up over the rounds (Long et al. 2023, section III). `round` = 0 .. rounds - 1.
#pragma once

namespace feddip::sparse {

// s_t = s_p + (s_0 - s_p) (1 - t/T)^3
double sparsity_at(int round, int rounds, double initial, double target);

enum class staircase {
    // lambda_max (i - 1) / Q in segment i = 1 .. Q: round t is in segment i = 1 + floor(t Q / T), so that
    // segments are equal, to within a round where Q doesn't divide T.
    paper,
    // What the authors' program does: 0 in segment 1, then 5e-4 + (i - 2) (lambda_max - 5e-4) / (Q - 1). A
    // segment has floor(T/Q) rounds and the last one takes the remainder, which with fewer rounds than steps
    // is all of them.
    code,
};

// lambda_t: a staircase of `steps` segments of the rounds.
double regularization_at(int round, int rounds, double maximum, int steps, staircase kind);

// eta_t = eta_0 decay^t
double learning_rate_at(int round, double initial, double decay);

} // namespace feddip::sparse
