// Search for where a condition ceases to hold.
#pragma once

#include <numeric>

namespace feddip {

// The last number from `yes` on, to within 1, for which `holds`, which does not hold again once it has ceased
// to. It is taken to hold for `yes` and not for `no`, neither of which is asked about.
template <typename Number, typename Condition>
Number last_for_which(Number yes, Number no, Condition holds) {
    while (no - yes > 1) {
        const Number middle = std::midpoint(yes, no);
        (holds(middle) ? yes : no) = middle;
    }
    return yes;
}

} // namespace feddip
