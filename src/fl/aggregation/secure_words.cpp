#include "fl/aggregation/secure_words.hpp"

#include "base/error.hpp"
#include "fl/method.hpp"
#include "fl/upload.hpp"
#include "privacy/secure_sum_message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace feddip::fl {

namespace {

constexpr double most_steps_of_noise = 0x1p24; // discrete_gaussian.hpp

[[noreturn]] void refuse(const std::string& why) {
    throw input_error("impossible combination", "privacy.secure_sum", why);
}

bool draws_each_alone(const config::run_config& config) {
    return config.privacy.clip > 0 && config.privacy.sampling == config::sampling_kind::poisson;
}

privacy::traffic all_stay(const privacy::secure_sum_terms& terms) {
    return privacy::secure_sum_traffic(terms);
}

privacy::traffic one_leaves(const privacy::secure_sum_terms& terms) {
    return privacy::secure_sum_traffic(terms, 1);
}

// Rounding alone makes an update of that many values half as many steps long as their root.
[[noreturn]] void refuse_noise(const config::run_config& config, const privacy_guarantee& guarantee,
                               std::size_t values) {
    const double noise = guarantee.mechanism().noise_multiplier;
    const double of_sum = most_steps_of_noise / (std::sqrt(static_cast<double>(values)) / 2);
    constexpr double leaves_for_the_bound = 0.999;
    const double most = std::floor(leaves_for_the_bound * of_sum * noise / guarantee.sum_noise());
    throw input_error("impossible combination", "privacy.noise_multiplier",
                      fmt::format("{:.6g}{} is too much for the whole numbers of a secure sum of {} values, "
                                  "up to {} fits; take less, or secure_sum = false",
                                  noise,
                                  config.privacy.noise_multiplier > 0 ? "" : ", found for privacy.epsilon,",
                                  values, most));
}

// That a round can have; where each is drawn alone, with a probability of about 1e-20 there are more.
double most_clients(const config::run_config& config) {
    const double mean = config.federation.clients_per_round;
    const double all = config.federation.clients;
    constexpr double deviations = 10;
    return draws_each_alone(config) ? std::min(all, mean + deviations * std::sqrt(mean * (1 - mean / all)))
                                    : mean;
}

} // namespace

privacy::secure_sum_terms secure_terms(const config::run_config& config, int round, std::uint32_t sampled,
                                       std::size_t values) {
    return {.run = config.federation.seed,
            .round = static_cast<std::uint64_t>(round),
            .clients = sampled,
            .threshold = privacy::majority(sampled),
            .values = values + secure_counts(config),
            .word_bits = config.privacy.clip > 0 ? 32U : 64U};
}

mean_traffic secure_traffic(const config::run_config& config, int round, std::size_t values, double leaving) {
    const auto& f = config.federation;
    const double mean = f.clients_per_round;
    double drawn = mean, squared = mean * mean; // their means, where there is a sum
    if (draws_each_alone(config)) {
        const double rate = mean / f.clients;
        const double alone = mean * std::pow(1 - rate, f.clients - 1);
        drawn -= alone;
        squared += mean * (1 - rate) - alone;
    }
    const auto with = [&](auto traffic, auto direction, int clients) {
        const auto terms = secure_terms(config, round, static_cast<std::uint32_t>(clients), values);
        return static_cast<double>(traffic(terms).*direction);
    };
    const auto of = [&](auto traffic, auto direction) {
        // One client's bytes grow linearly with the others, so that all clients' need their mean square.
        const double one = with(traffic, direction, f.clients_per_round);
        return drawn * one +
               (squared - mean * drawn) * (with(traffic, direction, f.clients_per_round + 1) - one);
    };
    const auto of_all = [&](auto direction) {
        return (1 - leaving) * of(all_stay, direction) +
               leaving * of(privacy::secure_sum_traffic_of_leaving, direction);
    };
    // Each that stays is told of all others that do.
    const double unnamed = leaving * (1 - leaving) * (config.privacy.clip > 0 ? squared - drawn : squared);
    const double name = with(all_stay, &privacy::traffic::down, f.clients_per_round) -
                        with(one_leaves, &privacy::traffic::down, f.clients_per_round);
    return {.down = of_all(&privacy::traffic::down) - unnamed * name, .up = of_all(&privacy::traffic::up)};
}

template <typename Word>
privacy::fixed_point<Word> secure_words(const config::run_config& config,
                                        const std::optional<privacy_guarantee>& guarantee, double clip,
                                        std::size_t values) {
    using words = privacy::fixed_point<Word>;
    const auto& f = config.federation;
    if (!guarantee) {
        return words::finest(0x1p36, static_cast<std::uint32_t>(f.clients_per_round));
    }
    // How many were drawn must not show in the steps of the sum.
    const auto most = static_cast<std::uint32_t>(
        config.privacy.sampling == config::sampling_kind::poisson ? f.clients : f.clients_per_round);
    for (int bits = words::finest(clip, most).fraction_bits(); bits >= -words::most_fraction_bits; --bits) {
        const words without_noise(bits, clip, most);
        const double steps = guarantee->sum_noise() * without_noise.longest(clip, values);
        const double noise = steps * without_noise.step();
        if (steps <= most_steps_of_noise && words::fits(bits, clip, most, noise)) {
            return words(bits, clip, most, noise);
        }
    }
    refuse_noise(config, *guarantee, values);
}
template privacy::fixed_point<std::uint32_t>
secure_words(const config::run_config&, const std::optional<privacy_guarantee>&, double, std::size_t);
template privacy::fixed_point<std::uint64_t>
secure_words(const config::run_config&, const std::optional<privacy_guarantee>&, double, std::size_t);

void ensure_room_for_noise(const config::run_config& config, const parameter_layout& layout) {
    if (config.privacy.clip > 0 && config.privacy.secure_sum) {
        secure_words<std::uint32_t>(config, guarantee_of(config), config.privacy.clip, layout.size());
    }
}

void ensure_summable(const config::run_config& config) {
    const auto how = make_method(config);
    const auto& name = config.method.name;
    if (config.aggregation.rule != "mean") {
        refuse(fmt::format("aggregation.rule = \"{}\" needs to see single updates; take \"mean\"",
                           config.aggregation.rule));
    }
    if (how->neighbours() > 0) {
        refuse(fmt::format("method.name = \"{}\" has no server, and sums nothing", name));
    }
    if (how->looks_first() != first_look::none) {
        refuse(
            fmt::format("method.name = \"{}\" shows the server what one client's data say of a mask", name));
    }
    if (config.federation.clients_per_round < 2) {
        refuse("the sum over one client is its update; take federation.clients_per_round from 2");
    }
    if (most_clients(config) > privacy::most_summed) {
        refuse(fmt::format("a round can have {:.0f} clients, and a sum takes up to {}; take fewer "
                           "federation.clients_per_round",
                           most_clients(config), privacy::most_summed));
    }
    if (config.communication.value_type != config::value_kind::f32) {
        refuse("words have 32 or 64 bits, so that communication.value_type = \"bf16\" saves nothing; take "
               "\"f32\"");
    }
    for (int t = 0; t < config.federation.rounds; ++t) {
        const auto plan = how->plan(t);
        if (carries_positions(plan.upload)) {
            refuse(
                fmt::format("method.name = \"{}\" with these uploads has clients send weights of their own "
                            "choice; a sum needs one support for all",
                            name));
        }
        if (plan.squared_gradients) {
            refuse(fmt::format(
                "method.name = \"{}\" has clients send squared gradients, which are not masked", name));
        }
    }
}

} // namespace feddip::fl
