// A client's upload as a change of what it was sent: one vector of the weights that it sends, in the mask or
// all of them, and what is never pruned.
#pragma once

#include "fl/aggregation/aggregation.hpp"
#include "fl/privacy_guarantee.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace feddip::fl {

class changes {
public:
    explicit changes(const aggregation_setting& setting);

    std::size_t size() const { return known_.size(); }

    // Into `change`, of size() values.
    void take(const upload& sent, std::span<float> change) const;

    // layout.size() floats: the model that clients were sent, changed by `sum` over `divisor`.
    std::vector<float> applied(std::span<const double> sum, double divisor) const;

private:
    aggregation_setting setting_;
    std::vector<float> known_;
};

// The bound after a round in which so many of the clients' changes that came were within it; the same where
// `quantile` is 0.
double next_clip(const privacy_guarantee& guarantee, double quantile, const aggregation_setting& setting,
                 std::uint64_t within, std::uint64_t came);

} // namespace feddip::fl
