// Parts of a mask for clients that can't hold all of it.
#pragma once

#include "base/layout.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::sparse {

// The weights of a mask lie on so many rungs, of equal size but for rounding, the largest on rung 1.
inline constexpr int rungs = 1000;

// What a client holds of a mask.
struct ladder_part {
    static constexpr int unlimited = rungs + 1; // not even confined to the mask

    int level = unlimited; // so many rungs, at least 1
    // Below 0: the largest ones, so that parts are nested. Else the larger half of them, and for the other
    // half a window over the remaining rungs, which each turn moves on by its own length: rolling windows as
    // of FedRolex (Alam et al. 2022), for masks.
    int turn = -1;

    bool limited() const { return level < unlimited; }
    bool holds(int rung) const; // rung 0: outside the mask
    bool operator==(const ladder_part&) const = default;
};

class ladder {
public:
    ladder() = default;

    // Ranks the weights that are alive in `m` by magnitude, over all tensors at once; among equal ones the
    // higher position first. A tensor with n of them alive has at least one in each part that has as many
    // weights as there are tensors, and floor(floor x s/1000 x n) in one of s rungs.
    // `weights` has layout.prunable_size() floats; 0 <= floor <= 1. O(n log n).
    ladder(const parameter_layout& layout, const mask& m, std::span<const float> weights, double floor);

    // From rung_of() of another; throws feddip::error unless it can be one.
    explicit ladder(std::vector<std::uint16_t> rung_of);

    // Of each prunable weight; 0: outside the mask.
    std::span<const std::uint16_t> rung_of() const { return rung_of_; }

    mask part(ladder_part which) const;
    // Its weights, without making it; `which` is limited.
    std::size_t count(ladder_part which) const;
    // The highest level of at most `most` weights, 0 where there is none.
    int level_of(std::size_t most) const;

private:
    std::size_t up_to(int rung) const; // weights on it and those before it

    std::vector<std::uint16_t> rung_of_;
    std::size_t alive_ = 0;
};

} // namespace feddip::sparse
