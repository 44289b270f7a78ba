// Who trained which weights, where clients hold parts of the model of different sizes.
#pragma once

#include "base/layout.hpp"
#include "fl/aggregation/aggregation.hpp"
#include "sparse/ladder.hpp"

#include <cstdint>
#include <span>

namespace feddip::fl {

// A weight's rung and a client's part say whether the client has trained it, so that the samples behind every
// weight of the model are one number per rung: exact sums, for they are below 2^24.
inline constexpr std::size_t coverage_length = sparse::rungs + 1;

// A client's share in these sums, `into` of coverage_length floats.
void count_samples(sparse::ladder_part part, std::uint32_t samples, std::span<float> into);

// `sums` are of samples x weights that lie on these rungs, and become the mean of each weight over those who
// trained it, or what it was in `before` where nobody has; of equal length.
void average_trained(std::span<const std::uint16_t> rung_of, std::span<const float> samples_on,
                     std::span<const float> before, std::span<float> sums);

// Sets what `all` has of coverage, of clients with `samples` images in all.
void record_coverage(const parameter_layout& layout, const sparse::ladder& ladder,
                     std::span<const float> samples_on, std::uint64_t samples, aggregate& all);

} // namespace feddip::fl
