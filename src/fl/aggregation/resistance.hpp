// How many hostile clients a rule withstands in a round.
#pragma once

#include <algorithm>

namespace feddip::fl {

// The least number of updates of which more are honest than hostile.
constexpr int majority_over(int hostile) {
    return 2 * hostile + 1;
}

// An update that is not finite shows a hostile client, or an honest one that diverged. It is taken for a
// hostile one only where too few others are left: so it neither stalls the rule nor weakens it.
struct resistance {
    int hostile;
    int (*needs)(int hostile); // updates

    constexpr int least_updates(int not_finite) const { return needs(std::max(0, hostile - not_finite)); }

    // How many of so many finite updates, at least least_updates(not_finite), are withstood.
    constexpr int among(int finite, int not_finite) const {
        int left = hostile;
        while (left > std::max(0, hostile - not_finite) && needs(left) > finite) {
            --left;
        }
        return left;
    }
};

} // namespace feddip::fl
