#include "privacy/accountant.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

namespace feddip::privacy {

std::vector<double> usual_orders() {
    std::vector<double> orders;
    for (int tenths = 11; tenths < 110; ++tenths) {
        orders.push_back(tenths / 10.0);
    }
    for (int order = 12; order < 64; ++order) {
        orders.push_back(order);
    }
    return orders;
}

privacy_spent spent(std::span<const double> orders, std::span<const double> divergences, double delta) {
    assert(orders.size() == divergences.size() && !orders.empty());
    if (!(delta > 0 && delta < 1)) {
        throw input_error(fmt::format("delta can't be {}", delta), "privacy accounting",
                          "it is a probability above 0 and below 1");
    }
    if (std::ranges::all_of(divergences, [](double d) { return d == 0; })) {
        return {0.0, orders.front()};
    }
    privacy_spent best{std::numeric_limits<double>::infinity(), orders.front()};
    for (std::size_t i = 0; i < orders.size(); ++i) {
        const double a = orders[i];
        const double epsilon =
            divergences[i] + std::log1p(-1 / a) - (std::log(delta) + std::log(a)) / (a - 1);
        if (epsilon < best.epsilon) {
            best = {epsilon, a};
        }
    }
    best.epsilon = std::max(best.epsilon, 0.0);
    return best;
}

accountant::accountant(std::vector<double> orders)
    : orders_(std::move(orders)), total_(orders_.size(), 0.0) {}

void accountant::add(const mechanism& what, double rounds) {
    if (!(rounds >= 0 && std::isfinite(rounds))) {
        throw input_error(fmt::format("{} rounds can't be accounted for", rounds), "privacy accounting",
                          "their number is 0 or more");
    }
    if (!of_latest_.empty() && what.how != latest_.how) {
        throw input_error("Poisson and fixed-size sampling can't be accounted for together",
                          "privacy accounting",
                          "one protects a client's presence, the other its data: keep to one of them");
    }
    if (of_latest_.empty() || what != latest_) {
        of_latest_ = what.discrete ? discrete_divergences(what.how, what.rate, what.noise_multiplier, orders_)
                                   : divergences(what.how, what.rate, what.noise_multiplier, orders_);
        latest_ = what;
    }
    if (rounds == 0) {
        return; // infinity times 0
    }
    for (std::size_t i = 0; i < total_.size(); ++i) {
        total_[i] += rounds * of_latest_[i];
    }
}

privacy_spent accountant::spent(double delta) const {
    return privacy::spent(orders_, total_, delta);
}

double noise_multiplier_for(double epsilon, double delta, mechanism what, double rounds) {
    return least_noise_for(epsilon, [&](double noise_multiplier) {
        what.noise_multiplier = noise_multiplier;
        accountant a;
        a.add(what, rounds);
        return a.spent(delta).epsilon;
    });
}

double least_noise_for(double epsilon, const std::function<double(double)>& costs) {
    if (!(epsilon > 0 && std::isfinite(epsilon))) {
        throw input_error(fmt::format("epsilon can't be {}", epsilon), "privacy accounting", "it is above 0");
    }
    if (const double smallest = costs(most_noise); smallest > epsilon) {
        constexpr double rounded_up = 1.001;
        throw input_error(fmt::format("no noise gives epsilon {}", epsilon), "privacy accounting",
                          fmt::format("with Rényi orders up to 63 and this delta the smallest is {:.4g}: ask "
                                      "for that or more, or take a larger delta",
                                      rounded_up * smallest));
    }
    constexpr double least = 1e-6;
    double enough = 1;
    while (costs(enough) > epsilon) {
        enough = std::min(2 * enough, most_noise);
    }
    double too_little = enough / 2;
    while (too_little > least && costs(too_little) <= epsilon) {
        enough = std::exchange(too_little, too_little / 2);
    }
    while (enough > too_little * (1 + 1e-6)) {
        const double middle = std::sqrt(enough * too_little);
        (costs(middle) <= epsilon ? enough : too_little) = middle;
    }
    return enough;
}

} // namespace feddip::privacy
