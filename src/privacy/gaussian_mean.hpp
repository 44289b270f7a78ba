// Means over N(0, s^2) of positive functions that span hundreds of orders of magnitude, in logarithms.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace feddip::privacy {

inline constexpr double log_of_zero = -std::numeric_limits<double>::infinity();

// The logarithm of a sum of terms that are given by theirs.
class log_sum {
public:
    void add(double log_term) {
        if (log_term == log_of_zero) {
            return;
        }
        if (log_term > largest_) {
            scaled_ = scaled_ * std::exp(largest_ - log_term) + 1.0;
            largest_ = log_term;
        } else {
            scaled_ += std::exp(log_term - largest_);
        }
    }
    double value() const { return scaled_ > 0 ? largest_ + std::log(scaled_) : log_of_zero; }

private:
    double largest_ = log_of_zero;
    double scaled_ = 0; // the sum over e^largest_
};

// log E exp(log_f(x)), x ~ N(0, s^2), by the trapezoidal rule, whose error falls exponentially in the spacing
// for analytic integrands. Only what lies within `width` s of one of `centres` is visited: the caller names
// the modes of each part of density times f. The spacing suits functions of x / s^2 with singularities no
// nearer to the real axis than pi s^2.
template <typename F>
double log_gaussian_mean(double s, std::vector<double> centres, double width, F&& log_f) {
    const double spacing = 0.5 * std::min(s, s * s);
    std::ranges::sort(centres);
    log_sum sum;
    double reached = -std::numeric_limits<double>::infinity(); // in steps of the grid
    for (const double centre : centres) {
        const double last = std::floor((centre + width * s) / spacing);
        for (double i = std::max(reached + 1, std::ceil((centre - width * s) / spacing)); i <= last; ++i) {
            const double x = i * spacing;
            sum.add(log_f(x) - x * x / (2 * s * s));
        }
        reached = std::max(reached, last);
    }
    return sum.value() + std::log(spacing / s) - 0.5 * std::log(2 * std::numbers::pi);
}

} // namespace feddip::privacy
