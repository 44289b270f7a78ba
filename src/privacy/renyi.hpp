// Rényi divergences of what a round releases: the sum of clipped updates of sampled clients, with noise.
#pragma once

#include <span>
#include <vector>

namespace feddip::privacy {

// How a round's clients are drawn, and which two federations the guarantee can't tell apart.
enum class sampling {
    // Each client with probability `rate`, independently; federations that differ by one client's presence.
    // One client changes the sum by at most the clipping bound C.
    poisson,
    // K of N without replacement, `rate` = K / N; federations of equal size in which one client's data
    // differ. One client replaced changes the sum by up to 2 C.
    fixed_size,
};

// The divergences D_order of one round, in nats, for each of `orders` (> 1, whole or not). `noise_multiplier`
// is the standard deviation of the noise over C, 0 gives infinity; `rate` is in [0, 1], and at 1 both kinds
// are the Gaussian mechanism. Throws feddip::input_error for other values. Exact to 1e-10, relative, but for
// what is said here:
//
// poisson: Mironov, Talwar, Zhang 2019, "Rényi differential privacy of the sampled Gaussian mechanism", 3.3:
//   log(A) / (order - 1) with A = E_{x ~ N(0, s^2)} (1 + u)^order, u = rate (e^{(2 x - 1) / (2 s^2)} - 1),
//   which is the larger of the two directions (theorem 5). Since E u = 0, A - 1 is the mean of (1 + u)^order
//   - 1 - order u, which is never negative: that is summed or integrated, and nothing cancels however close
//   to 0 the divergence is. Below s = 0.01 fractional orders get an upper bound instead, the chord of log A
//   (convex in the order) between whole orders.
//
//   Public accountants disagree at fractional orders. For rate 0.01, s 2.5, 50 rounds, order 1.5 the integral
//   is 6.50070897e-4. Opacus and TensorFlow Privacy give that too, by a series whose terms alternate in sign
//   beyond the order; recent dp-accounting adds the magnitudes of the same terms, an upper bound:
//   6.70579741e-4 (and 1.08548710e-3 at order 2.5, where the integral is 1.08541806e-3: its
//   negative terms are smaller). autodp takes the chord between whole orders, and up to order 2 the value at
//   2, 8.67e-4. We follow the integral: it is the mechanism's own value.
//
// fixed_size: an upper bound; Wang, Balle, Kasiviswanathan 2019, "Subsampled Rényi differential privacy and
//   analytical moments accountant" (arXiv:1808.00087), theorem 27 at whole orders, the chord between them
//   (corollary 10) at others, and never more than without sampling.
//
// Both count on the draw being secret: whoever learns which clients took part must take rate = 1.
std::vector<double> divergences(sampling how, double rate, double noise_multiplier,
                                std::span<const double> orders);

// The same for discrete Gaussian noise (discrete_gaussian.hpp) on whole numbers: at whole orders the
// expansion of A is term by term that of the continuous one, the reflection that theorem 5 of Mironov et al.
// asks for maps the grid onto itself, and so the values are the same; fractional orders get the chord.
std::vector<double> discrete_divergences(sampling how, double rate, double noise_multiplier,
                                         std::span<const double> orders);

} // namespace feddip::privacy
