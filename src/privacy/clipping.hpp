// How much one client can change a sum: bounding the norm of its update.
#pragma once

#include "privacy/noise.hpp"

#include <cstdint>
#include <span>

namespace feddip::privacy {

// The l2 norm over all parts together: an update is its values on the mask and what travels whole beside them
// (biases, norms), and all of it counts. The mask itself must be known to everyone and come from nothing but
// what was released.
double l2_norm(std::span<const std::span<float>> parts);

struct clipped {
    double norm; // before
    bool within; // it was at most the bound
};

// Scales an update longer than `bound` down, so that its norm, computed without rounding, is at most `bound`.
// Throws feddip::input_error unless bound is finite and above 0, and feddip::error for an update with NaN or
// infinities, which is to be left out before.
clipped clip(std::span<const std::span<float>> parts, double bound);

// The bound follows a quantile of the clients' norms (Andrew, Thakkar, McMahan, Ramaswamy 2021,
// "Differentially private learning with adaptive clipping", algorithm 1): C <- C exp(-rate (b - quantile)), b
// the noisy share of clients whose norm was at most C.
struct adaptive_clipping {
    double bound = 0.1;       // C, of the first round
    double quantile = 0.5;    // gamma
    double rate = 0.2;        // eta_C
    double count_noise = 0.0; // sigma_b, the standard deviation of the noise on the count, in clients

    // C of the next round. `within` of the `took_part` clients that were summed had a norm of at most C;
    // `expected` is the number of clients per round that the sampling aims at, since the drawn one is no
    // public fact under Poisson sampling. The count is taken with 1/2 for each client subtracted, so that a
    // client changes it by 1/2 only.
    double next(std::uint64_t within, std::uint64_t took_part, double expected, key_stream& stream) const;
};

// What the noise multiplier of the sum must be for sum and count together to cost what `noise_multiplier`
// says (theorem 1): (z^-2 - (2 sigma_b)^-2)^(-1/2). With `count_noise` 0, no count is released, it is
// `noise_multiplier`. Throws feddip::input_error where 2 sigma_b <= noise_multiplier: the count alone would
// cost more. Holds for Poisson sampling; a client that is replaced changes the count by 1 and the sum by 2 C,
// both twice as much, and it holds too.
double noise_multiplier_beside_count(double noise_multiplier, double count_noise);

} // namespace feddip::privacy
