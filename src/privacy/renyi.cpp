#include "privacy/renyi.hpp"

#include "base/error.hpp"
#include "privacy/gaussian_mean.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace feddip::privacy {

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double narrowest = 0.01; // s below which integrals would need too many points
constexpr double tails = 13;       // e^{-13^2 / 2} is below the rounding of any sum here

bool whole(double order) {
    return order == std::floor(order);
}

double log_expm1(double x) {
    return x > 40 ? x : std::log(std::expm1(x));
}
double log1p_exp(double x) {
    return x > 40 ? x : std::log1p(std::exp(x));
}

double log_binomial(double n, double k) {
    return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

// log((1 + u)^order - 1 - order u), u = rate (e^l - 1).
double log_above_tangent(double rate, double l, double order) {
    const double u = rate * std::expm1(l);
    if (std::abs(u) < 0.05 && std::abs(order * u) < 1) {
        double term = 1, sum = 1; // over order (order - 1) / 2 u^2
        for (int k = 2; std::abs(term) > 1e-18 * sum; ++k) {
            term *= (order - k) / (k + 1) * u;
            sum += term;
        }
        return std::log(order * (order - 1) / 2 * sum) + 2 * std::log(std::abs(u));
    }
    const double log_power = order * (l > 0 ? l + std::log(rate + (1 - rate) * std::exp(-l)) : std::log1p(u));
    if (log_power < 40) {
        return std::log(std::expm1(log_power) - order * u);
    }
    const double log_tangent = u > 1e200 ? std::log(order * rate) + l : std::log1p(order * u);
    return log_power + std::log1p(-std::exp(log_tangent - log_power));
}

// log(A - 1) of the Poisson-sampled Gaussian.
double log_excess_whole(double rate, double s, double order) {
    log_sum sum;
    for (double k = 2; k <= order; ++k) {
        sum.add(log_binomial(order, k) + k * std::log(rate) + (order - k) * std::log1p(-rate) +
                log_expm1(k * (k - 1) / (2 * s * s)));
    }
    return sum.value();
}

double log_excess_fractional(double rate, double s, double order) {
    // Below x = even u < 1 and the integrand goes with u^2, which the density turns into a mode at 2; above
    // it with u^order, mode at `order`; where one part ends before its mode, the end is the mode.
    std::vector<double> modes{0.0, 2.0, order};
    const double even = s * s * std::log1p(1 / rate) + 0.5;
    if (even < std::max(2.0, order)) {
        modes.push_back(even);
    }
    return log_gaussian_mean(s, std::move(modes), tails, [&](double x) {
        return log_above_tangent(rate, (2 * x - 1) / (2 * s * s), order);
    });
}

// The divergence at `order`, or above it, from log A at whole orders: log A is convex and 0 at order 1.
// Sampling never makes it larger than the Gaussian's own.
template <typename LogA>
double by_chord(LogA&& log_a, double s, double order) {
    const double below = std::floor(order);
    const double share = order - below;
    const double at_below = below > 1 ? (1 - share) * log_a(below) : 0.0;
    const double chord = at_below + (share > 0 ? share * log_a(below + 1) : 0.0);
    return std::min(chord / (order - 1), order / (2 * s * s));
}

double poisson_divergence(double rate, double s, double order, bool whole_only) {
    const auto log_a = [&](double at) { return log1p_exp(log_excess_whole(rate, s, at)); };
    if (whole(order) || whole_only || s < narrowest) {
        return by_chord(log_a, s, order);
    }
    return log1p_exp(log_excess_fractional(rate, s, order)) / (order - 1);
}

// Theorem 27 of Wang et al. at all whole orders up to a largest one.
class fixed_size_bound {
public:
    fixed_size_bound(double rate, double s, double largest) : rate_(rate), s_(s) {
        for (double j = 2; j <= largest + 1 && s >= narrowest; j += 2) {
            log_moments_.push_back(log_moment(j));
        }
    }

    double log_a(double order) const {
        const double inverse = 1 / (s_ * s_);
        log_sum sum;
        sum.add(2 * std::log(rate_) + log_binomial(order, 2) +
                std::min(std::log(4.0) + log_expm1(inverse), std::log(2.0) + inverse));
        for (double j = 3; j <= order; ++j) {
            const double by_ratio = std::log(2.0) + j * (j - 1) * inverse / 2;
            const double by_moments =
                log_moments_.empty()
                    ? infinite
                    : std::log(4.0) + (moment_of(std::floor(j / 2)) + moment_of(std::ceil(j / 2))) / 2;
            sum.add(j * std::log(rate_) + log_binomial(order, j) + std::min(by_ratio, by_moments));
        }
        return log1p_exp(sum.value());
    }

private:
    // log E (e^l - 1)^j for even j: what theorem 27 writes as a forward difference, without its cancellation.
    double log_moment(double j) const {
        return log_gaussian_mean(s_, {0.0, j}, tails + std::sqrt(2 * j), [&](double x) {
            const double l = (2 * x - 1) / (2 * s_ * s_);
            return j * (l > 0 ? log_expm1(l) : std::log(-std::expm1(l)));
        });
    }
    double moment_of(double half) const { return log_moments_[static_cast<std::size_t>(half) - 1]; }

    double rate_, s_;
    std::vector<double> log_moments_; // of 2, 4, 6 ...
};

std::vector<double> computed(sampling how, double rate, double noise_multiplier,
                             std::span<const double> orders, bool whole_only) {
    const auto need = [](bool holds, const char* what, double value, const char* range) {
        if (!holds) {
            throw input_error(fmt::format("{} can't be {}", what, value), "privacy accounting", range);
        }
    };
    need(rate >= 0 && rate <= 1, "the sampling rate", rate, "it is a share from 0 to 1");
    need(noise_multiplier >= 0 && std::isfinite(noise_multiplier), "the noise multiplier", noise_multiplier,
         "it is 0 or more");
    double largest = 0;
    for (const double order : orders) {
        need(order > 1 && std::isfinite(order), "a Rényi order", order, "orders are above 1");
        largest = std::max(largest, order);
    }

    std::vector<double> result(orders.size(), 0.0);
    if (rate == 0) {
        return result;
    }
    if (noise_multiplier == 0) {
        std::ranges::fill(result, infinite);
        return result;
    }
    const double s = how == sampling::poisson ? noise_multiplier : noise_multiplier / 2;
    if (rate == 1) {
        std::ranges::transform(orders, result.begin(), [&](double order) { return order / (2 * s * s); });
    } else if (how == sampling::poisson) {
        std::ranges::transform(orders, result.begin(),
                               [&](double order) { return poisson_divergence(rate, s, order, whole_only); });
    } else {
        const fixed_size_bound bound(rate, s, std::ceil(largest));
        std::ranges::transform(orders, result.begin(), [&](double order) {
            return by_chord([&](double at) { return bound.log_a(at); }, s, order);
        });
    }
    return result;
}

} // namespace

std::vector<double> divergences(sampling how, double rate, double noise_multiplier,
                                std::span<const double> orders) {
    return computed(how, rate, noise_multiplier, orders, false);
}

std::vector<double> discrete_divergences(sampling how, double rate, double noise_multiplier,
                                         std::span<const double> orders) {
    return computed(how, rate, noise_multiplier, orders, true);
}

} // namespace feddip::privacy
