#include "fl/privacy_guarantee.hpp"

#include "base/bisection.hpp"
#include "base/error.hpp"
#include "fl/attacks/attack.hpp"
#include "fl/method.hpp"
#include "fl/upload.hpp"
#include "privacy/clipping.hpp"
#include "privacy/failing_sum.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

namespace feddip::fl {

namespace {

[[noreturn]] void refuse(const config::run_config& config, std::string_view why) {
    throw input_error("impossible combination", "privacy.clip",
                      fmt::format("method.name = \"{}\" {}; feddip, fedavg and fedprox can be private",
                                  config.method.name, why));
}

// Nothing of a client's data leaves it but its update, which is clipped and summed with noise; what everybody
// may see is measured on the same images whatever a client's data are.
void ensure_nothing_else_is_sent(const config::run_config& config) {
    const auto how = make_method(config);
    if (how->neighbours() > 0) {
        refuse(config, "has no server that could add noise before others see a model");
    }
    if (how->looks_first() != first_look::none) {
        refuse(config, "chooses its first mask at one client's data, on which there is no noise");
    }
    if (config.adaptation.answer != config::answer_kind::none) {
        throw input_error("impossible combination", "adaptation.answer",
                          "with privacy.clip nobody may follow the clients' loss, on which there is no "
                          "noise; take \"none\"");
    }
    if (const auto hostile = make_attack(config); hostile && hostile->pools()) {
        throw input_error(
            "impossible combination", "attack.kind",
            fmt::format("with \"{}\" hostile clients make their updates of others', so that one client moves "
                        "the sum by more than privacy.clip; take one that looks at nobody's "
                        "update, such as \"sign_flip\", \"gaussian\" or \"label_flip\"",
                        config.attack.kind));
    }
    if (config.drift.kind != config::drift_kind::none &&
        config.data.partition != config::partition_kind::iid) {
        throw input_error("impossible combination", "drift.kind",
                          fmt::format("with privacy.clip and data.partition = \"{}\" which test images drift "
                                      "follows from clients' data, and accuracy is measured on them without "
                                      "noise; take data.partition = \"iid\", or drift.kind = \"none\"",
                                      config::to_string(config.data.partition)));
    }
    for (int t = 0; t < config.federation.rounds; ++t) {
        const auto plan = how->plan(t);
        if (carries_positions(plan.upload)) {
            refuse(config, "has clients choose masks at their own data, on which there is no noise");
        }
        if (plan.squared_gradients) {
            refuse(config, "has clients send squared gradients besides, which nothing bounds");
        }
    }
}

bool has_noise_found(const config::run_config& config) {
    return config.privacy.epsilon > 0 && config.privacy.noise_multiplier == 0;
}

privacy::mechanism mechanism_of(const config::run_config& config) {
    const auto& [clip, quantile, noise, epsilon, delta, sampling, secure_sum] = config.privacy;
    const auto& f = config.federation;
    privacy::mechanism one{.how = sampling == config::sampling_kind::poisson ? privacy::sampling::poisson
                                                                             : privacy::sampling::fixed_size,
                           .rate = static_cast<double>(f.clients_per_round) / f.clients,
                           .noise_multiplier = noise,
                           .discrete = secure_sum};
    if (has_noise_found(config)) {
        one.noise_multiplier = privacy::noise_multiplier_for(epsilon, delta, one, f.rounds);
    }
    return one;
}

} // namespace

privacy_guarantee::privacy_guarantee(const config::run_config& config)
    : expected_(config.federation.clients_per_round), delta_(config.privacy.delta),
      mechanism_(mechanism_of(config)), rounds_(config.federation.rounds) {
    ensure_nothing_else_is_sent(config);
    one_.add(mechanism_, 0);
    // Of a fixed number it is the same whatever any client's data are, and tells nothing.
    if (config.privacy.secure_sum && mechanism_.how == privacy::sampling::poisson) {
        failure_ = privacy::probability_of_failing({.clients = config.federation.clients,
                                                    .rate = mechanism_.rate,
                                                    .drop_probability = config.faults.drop_probability});
        if (has_noise_found(config)) {
            take_noise_for_failing_sums(config.privacy.epsilon);
        }
    }
    sum_noise_ = mechanism_.noise_multiplier;
    if (config.privacy.clip_quantile > 0 && sum_noise_ > 0) {
        // A twentieth of the clients as in Andrew et al. 2021, or what leaves most of the budget to the sum.
        count_noise_ = std::max(expected_ / 20, sum_noise_);
        sum_noise_ = privacy::noise_multiplier_beside_count(sum_noise_, count_noise_);
    }
    if (const double budget = config.privacy.epsilon; budget > 0) {
        rounds_ = last_for_which(0, rounds_ + 1, [&](int rounds) { return epsilon_after(rounds) <= budget; });
        if (rounds_ == 0 && std::isinf(epsilon_after(1)) && failure_ > 0) {
            refuse_failing_sums(1);
        }
        if (rounds_ == 0) {
            throw input_error(
                "no budget for a single round", "privacy.epsilon",
                fmt::format(
                    "the first one costs {:.4g} of {:.4g}; take a larger noise_multiplier, or leave it "
                    "out to have it found",
                    epsilon_after(1), budget));
        }
    }
}

void privacy_guarantee::refuse_failing_sums(int rounds) const {
    throw input_error(
        "no guarantee with so few clients", "privacy.secure_sum",
        fmt::format(
            "with probability {:.2g} the sum of a round can't be taken, once in {} rounds with {:.2g}, which "
            "shows who took part; sample more clients, take fewer rounds, give noise_multiplier, or take "
            "secure_sum = false",
            failure_, rounds, -std::expm1(rounds * std::log1p(-failure_))));
}

// What was found so far lasts where no sum fails.
void privacy_guarantee::take_noise_for_failing_sums(double budget) {
    const auto costs = [&](double noise_multiplier) {
        mechanism_.noise_multiplier = noise_multiplier;
        one_ = privacy::accountant();
        one_.add(mechanism_, 0);
        return epsilon_after(rounds_);
    };
    if (costs(privacy::most_noise) > budget) {
        refuse_failing_sums(rounds_);
    }
    costs(privacy::least_noise_for(budget, costs));
}

double privacy_guarantee::epsilon_after(int rounds) const {
    auto account = one_;
    account.add(mechanism_, rounds);
    double epsilon = account.spent(delta_).epsilon;
    // With probability p some sum fails, and the run is another one than the accountant's. Then it is
    // (epsilon, delta)-private where that one is at delta - p (1 + exp(epsilon)): two models of which each
    // differs from a private one with probability p.
    for (const double p = failure_ * rounds; p > 0 && std::isfinite(epsilon);) {
        const double left = delta_ - p * (1 + std::exp(epsilon));
        const double more = left > 0 ? account.spent(left).epsilon : std::numeric_limits<double>::infinity();
        if (more <= epsilon * (1 + 1e-9)) {
            return more;
        }
        epsilon = more;
    }
    return epsilon;
}

std::optional<privacy_guarantee> guarantee_of(const config::run_config& config) {
    return config.privacy.clip > 0 ? std::optional<privacy_guarantee>(config) : std::nullopt;
}

void ensure_bears_noise(const config::run_config& config, const parameter_layout& layout) {
    if (config.privacy.clip > 0 && layout.size() != layout.trainable_size()) {
        throw input_error("impossible combination", "privacy.clip",
                          "this model averages running variances of batch norm, which noise can make "
                          "negative; take a model without batch norm, such as lenet5 or alexnet");
    }
}

round_record released(const round_record& round, const privacy_guarantee& guarantee) {
    round_record r;
    r.round = round.round;
    r.test_accuracy = round.test_accuracy;
    r.test_loss = round.test_loss;
    r.test_top5_accuracy = round.test_top5_accuracy;
    r.attack_success = round.attack_success;
    r.learning_rate = round.learning_rate;
    r.regularization = round.regularization;
    r.target_sparsity = round.target_sparsity;
    r.sparsity = round.sparsity;
    r.mask_change = round.mask_change;
    r.pruning_error = round.pruning_error;
    r.bytes_down = round.bytes_down; // of all clients on average (accounting.cpp)
    r.bytes_up = round.bytes_up;
    r.bytes_positions = round.bytes_positions;
    r.reference_cost_mib = round.reference_cost_mib;
    r.seconds_train = r.seconds_communicate = r.seconds_aggregate = r.seconds_evaluate = r.seconds_round =
        not_measured;
    r.drift = round.drift;
    r.ever_alive = round.ever_alive;
    r.mask_distance = round.mask_distance;
    r.hostile_included = -1;
    r.clip = round.clip;
    r.epsilon = guarantee.epsilon_after(round.round);
    r.layer_density = round.layer_density;
    r.class_accuracy = round.class_accuracy;
    return r;
}

} // namespace feddip::fl
