// Inner products of a round's updates, from which all their distances follow.
//
// An update is the change that a client makes to the model it was sent. A weight that it did not send it
// leaves as it was: absent is no zero, but no change. The products are summed over fixed blocks of
// coordinates, and these along a fixed binary tree, so that the bits depend on no number of ranks.
#pragma once

#include "fl/aggregation/slices.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace feddip::fl {

class gram {
public:
    // `triangle` has product (u, v), v <= u, at u (u + 1) / 2 + v.
    gram(std::size_t updates, std::vector<double> triangle)
        : updates_(updates), triangle_(std::move(triangle)) {}

    std::size_t size() const { return updates_; }
    double operator()(std::size_t u, std::size_t v) const {
        return v <= u ? triangle_[u * (u + 1) / 2 + v] : triangle_[v * (v + 1) / 2 + u];
    }

    double squared_distance(std::size_t u, std::size_t v) const;

    // Of each update from the point sum over v of coefficients[v] update[v].
    std::vector<double> distances_from(std::span<const double> coefficients) const;

private:
    std::size_t updates_;
    std::vector<double> triangle_;
};

// Collective: on rank 0 the products of all updates, by slot, of which `updates` are this rank's slice;
// elsewhere of none. Squared gradients have no part in them.
gram inner_products(std::span<const update_slice> updates, const slicer& slices, transport& ranks);

} // namespace feddip::fl
