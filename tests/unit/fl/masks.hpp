// Masks as tests like to write them.
#pragma once

#include "base/layout.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <vector>

namespace feddip::test {

inline sparse::mask mask_of(const std::vector<int>& bits) {
    sparse::mask m(bits.size(), false);
    for (std::size_t i = 0; i < bits.size(); ++i) {
        m.set(i, bits[i] != 0);
    }
    return m;
}

// Alive weights of each prunable tensor.
inline std::vector<std::size_t> alive_in(const sparse::mask& m, const parameter_layout& layout) {
    std::vector<std::size_t> counts;
    for (const auto& p : layout.weights()) {
        counts.push_back(m.count(p.offset, p.size));
    }
    return counts;
}

} // namespace feddip::test
