// Masks whose words come from elsewhere: from a file, or another rank.
#pragma once

#include "sparse/mask.hpp"

namespace feddip::sparse {

// Whether bits past the end are set, so that it is no mask.
inline bool reaches_past_end(const mask& m) {
    return m.size() % 64 != 0 && m.words().back() >> (m.size() % 64) != 0;
}

} // namespace feddip::sparse
