#include "privacy/failing_sum.hpp"

#include "privacy/secure_sum_terms.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace feddip::privacy {

namespace {

// Of `count` successes among n.
double binomial(int n, int count, double probability) {
    if (probability <= 0 || probability >= 1) {
        return count == (probability <= 0 ? 0 : n) ? 1 : 0;
    }
    const auto log_factorial = [](int k) { return std::lgamma(k + 1.0); };
    return std::exp(log_factorial(n) - log_factorial(count) - log_factorial(n - count) +
                    count * std::log(probability) + (n - count) * std::log1p(-probability));
}

double too_few_answer(int drawn, double drop_probability) {
    if (drawn < 2) {
        return 1;
    }
    double sum = 0;
    for (int answers = 0; answers < static_cast<int>(majority(static_cast<std::uint32_t>(drawn)));
         ++answers) {
        sum += binomial(drawn, answers, 1 - drop_probability);
    }
    return sum;
}

double of_poisson(int clients, double rate, double drop_probability) {
    constexpr double negligible = 1e-30; // beside any delta
    double sum = 0;
    for (int drawn = 0; drawn <= clients; ++drawn) {
        if (const double probability = binomial(clients, drawn, rate); probability > negligible) {
            sum += probability * too_few_answer(drawn, drop_probability);
        }
    }
    return sum;
}

} // namespace

double probability_of_failing(const drawing& what) {
    const auto of = [&](int clients) { return of_poisson(clients, what.rate, what.drop_probability); };
    return std::min(1.0, std::max(of(what.clients), of(what.clients - 1)));
}

} // namespace feddip::privacy
