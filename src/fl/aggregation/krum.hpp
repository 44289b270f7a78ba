// How far each update is from those nearest to it.
#pragma once

#include "fl/aggregation/gram.hpp"

#include <cstddef>
#include <vector>

namespace feddip::fl {

// The updates by their score, lowest first, of equal ones the lower slot: the sum of the squared distances to
// the n - hostile - 2 others that are nearest (Blanchard et al. 2017, section 4). n >= hostile + 3.
std::vector<std::size_t> by_krum_score(const gram& products, int hostile);

// What both rules need: 2 hostile + 3 updates.
constexpr int krum_needs(int hostile) {
    return 2 * hostile + 3;
}

} // namespace feddip::fl
