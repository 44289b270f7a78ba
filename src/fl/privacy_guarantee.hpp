// What [privacy] comes to: by which mechanism a round's clients are protected, what that costs, and for how
// many rounds the budget lasts. src/privacy/README.md says what is guaranteed and what is not.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "fl/state.hpp"
#include "privacy/accountant.hpp"

#include <optional>

namespace feddip::fl {

class privacy_guarantee {
public:
    // Throws input_error where the config gives no guarantee, or its budget no round. privacy.clip is above
    // 0.
    explicit privacy_guarantee(const config::run_config& config);

    // Clients that a round aims at, by which its noisy sum is divided.
    double expected_clients() const { return expected_; }
    const privacy::mechanism& mechanism() const { return mechanism_; }

    // Standard deviations: of the noise on the sum, over the bound of an update, and of that on the number of
    // updates within the bound, 0 where that isn't asked for. Together they cost what the mechanism says.
    double sum_noise() const { return sum_noise_; }
    double count_noise() const { return count_noise_; }

    // At most federation.rounds.
    int rounds() const { return rounds_; }
    // Infinite without noise, and where secure sums of so few clients fail too often for any.
    double epsilon_after(int rounds) const;
    // Of a secure sum in a round, where that tells of a client (privacy/failing_sum.hpp); else 0.
    double probability_of_failing() const { return failure_; }

private:
    [[noreturn]] void refuse_failing_sums(int rounds) const;
    void take_noise_for_failing_sums(double budget);

    double expected_, delta_;
    privacy::mechanism mechanism_;
    privacy::accountant one_; // that knows the mechanism's divergences, and has added nothing
    double sum_noise_ = 0, count_noise_ = 0, failure_ = 0;
    int rounds_;
};

// Nothing where privacy.clip is 0. Throws as above.
std::optional<privacy_guarantee> guarantee_of(const config::run_config& config);

// Throws input_error for a model that noise would break.
void ensure_bears_noise(const config::run_config& config, const parameter_layout& layout);

// What may be written down of a round: what follows from noisy models and from what everybody knows, and
// nothing of who took part, not even how many, or how long they took.
round_record released(const round_record& round, const privacy_guarantee& guarantee);

} // namespace feddip::fl
