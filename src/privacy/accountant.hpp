// What the rounds so far have cost in differential privacy.
#pragma once

#include "privacy/renyi.hpp"

#include <functional>
#include <span>
#include <vector>

namespace feddip::privacy {

// 1.1 to 10.9 by 0.1 and 12 to 63, those of Opacus.
std::vector<double> usual_orders();

struct privacy_spent {
    double epsilon;
    double order; // at which it is smallest; at an end of the list a longer one might say less
};

// (epsilon, delta) from Rényi divergences: the minimum over orders a of D_a + log((a - 1) / a) - (log delta +
// log a) / (a - 1), or 0 where that is negative (Balle et al. 2020, theorem 21; Canonne, Kamath, Steinke
// 2020, proposition 12). Nothing released, all divergences 0, costs nothing. `delta` in (0, 1).
privacy_spent spent(std::span<const double> orders, std::span<const double> divergences, double delta);

struct mechanism {
    sampling how = sampling::poisson;
    double rate = 0;             // of sampling
    double noise_multiplier = 0; // over the clipping bound
    bool discrete = false;       // discrete Gaussian noise on fixed-point values

    bool operator==(const mechanism&) const = default;
};

// Divergences of rounds add up, order by order, whatever each round was chosen to be after the one before.
// Rounds under both kinds of sampling don't go together, since they protect against different things.
class accountant {
public:
    explicit accountant(std::vector<double> orders = usual_orders());

    // Throws feddip::input_error for a mechanism that doesn't exist, or of another kind than those before.
    void add(const mechanism& what, double rounds = 1);
    privacy_spent spent(double delta) const;

private:
    std::vector<double> orders_;
    std::vector<double> total_;
    mechanism latest_;
    std::vector<double> of_latest_; // its divergences: most runs repeat one mechanism
};

// The smallest noise multiplier, to one part in a million and rounded up, with which `rounds` rounds of
// `what` (whose own is ignored) cost at most `epsilon` at `delta`. Throws feddip::input_error where the usual
// orders can't show that whatever the noise, since `epsilon` is too small.
double noise_multiplier_for(double epsilon, double delta, mechanism what, double rounds);

// No noise is looked for beyond it.
inline constexpr double most_noise = 1e6;

// The same by what a noise multiplier `costs`, an epsilon that falls with it.
double least_noise_for(double epsilon, const std::function<double(double)>& costs);

} // namespace feddip::privacy
