// What the clients of a secure sum make of their changes, and what that costs them.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "fl/privacy_guarantee.hpp"
#include "privacy/fixed_point.hpp"
#include "privacy/secure_sum_terms.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace feddip::fl {

// Words behind those of the change: with privacy.clip whether it was within the bound, and that it came.
inline std::size_t secure_counts(const config::run_config& config) {
    return config.privacy.clip > 0 ? 2 : 0;
}

// Of round t, with so many sampled clients that send `values` values.
privacy::secure_sum_terms secure_terms(const config::run_config& config, int round, std::uint32_t sampled,
                                       std::size_t values);

// Bytes of all clients of a round together, on average over how many are drawn and who leaves before it sends
// its values: each with probability `leaving` with privacy.clip, else that share of them. Without the headers
// of their uploads. A lone client has no sum. Where too few stay for one, the mean counts what they would
// have revealed: with the probability of failing (privacy_guarantee.hpp) up to a whole last stage too much.
struct mean_traffic {
    double down = 0, up = 0;
};
mean_traffic secure_traffic(const config::run_config& config, int round, std::size_t values, double leaving);

// With how many answers of the server a client sends more than its words: its keys, its shares of secrets
// and, where it has stayed, what it reveals.
inline int further_exchanges(const config::run_config& config, bool stays) {
    const int while_it_stays = stays ? 3 : 2;
    return config.privacy.secure_sum ? while_it_stays : 0;
}

// Clipped changes with room for the noise, as fine as discrete noise allows; else changes times samples, up
// to 2^36. Throws input_error where there is more noise than words of any fineness take.
template <typename Word>
privacy::fixed_point<Word> secure_words(const config::run_config& config,
                                        const std::optional<privacy_guarantee>& guarantee, double clip,
                                        std::size_t values);

// Throws input_error where that would be in a run of the model: methods that can be private
// (privacy_guarantee.hpp) send all weights in the first round.
void ensure_room_for_noise(const config::run_config& config, const parameter_layout& layout);

// Throws input_error where a sum of words is not all that the server needs, or would give a client away.
void ensure_summable(const config::run_config& config);

} // namespace feddip::fl
