// Gaussian noise on sums, from a key that nobody else knows.
#pragma once

#include "privacy/key_stream.hpp"
#include "privacy/secret.hpp"

#include <cstdint>
#include <span>

namespace feddip::privacy {

// What all noise of a run is drawn from. Who has it can take the noise off again: keep it where the updates
// may be kept (a checkpoint) and nowhere else. A run that was stopped goes on with the key it had, so that a
// round that is computed again has the noise it had and releases nothing more. That holds for the same sum
// only: where what is summed may differ the second time, take a fresh key and charge for the round again,
// since the difference of two sums with the same noise has none.
class noise_key {
public:
    static noise_key fresh() { return noise_key(secret::fresh()); }
    explicit noise_key(const secret& kept) : secret_(kept) {} // `kept` came from `fresh`

    const secret& kept() const { return secret_; }

private:
    secret secret_;
};

// The last two: which clients are drawn, and which of these drop out.
enum class noise_of : std::uint32_t { sum = 0, count = 1, draw = 2, drop_outs = 3 };

inline key_stream noise_stream(const noise_key& key, std::uint64_t round, noise_of what) {
    return key_stream(key.kept(), round, static_cast<std::uint32_t>(what));
}

// Adds N(0, deviation^2) to each value, drawn in double precision. Throws feddip::input_error unless
// deviation >= 0 and finite.
//
// What this doesn't cover: the guarantee is that of real numbers. A floating-point sampler reaches only some
// doubles, and which ones can tell two sums apart (Mironov 2012, "On significance of the least significant
// bits for differential privacy"; Jin et al. 2022 for Box-Muller). Each value here is the sum of four draws,
// which makes finding the holes infeasible rather than impossible (Holohan and Braghin 2021), is rounded to
// float after it was added, and takes a time that doesn't depend on the sum. Noise without that gap:
// discrete_gaussian.hpp.
void add_gaussian(key_stream& stream, double deviation, std::span<float> values);
double gaussian(key_stream& stream, double deviation);

} // namespace feddip::privacy
