// Parts of a mask for clients that can't hold all of it.
#pragma once

#include "base/layout.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::sparse {

// The weights of a mask lie on so many rungs, of equal size but for rounding where magnitudes rank them, the
// largest on rung 1.
inline constexpr int rungs = 1000;

// What a client holds of a mask.
struct ladder_part {
    static constexpr int unlimited = rungs + 1; // not even confined to the mask

    int level = unlimited; // so many rungs, at least 1
    // Below 0: the largest ones, so that parts are nested. Else the larger half of them, and for the other
    // half a window over the remaining rungs, which each turn moves on by its own length: rolling windows as
    // of FedRolex (Alam et al. 2022), for masks.
    int turn = -1;

    // Which holds so many of the largest ones at every turn, but for level = rungs, which has all.
    static constexpr int lowest_with(int at_rest) { return 2 * at_rest - 1; }

    bool limited() const { return level < unlimited; }
    bool holds(int rung) const; // rung 0: outside the mask
    bool operator==(const ladder_part&) const = default;
};

// Of the units of each layer that others read from, as a slice of a network's width.
struct width_slices {
    int shift = 0; // the unit that each layer's slices begin with, modulo its number
};

class ladder {
public:
    ladder() = default;

    // Ranks the weights that are alive in `m` by magnitude, over all tensors at once; among equal ones the
    // higher position first. A tensor with n of them alive has at least one in each part whose fixed rungs
    // have as many weights as there are tensors, and floor(floor x s/1000 x n) in one of s rungs, less by
    // what rounding takes: by fewer weights than there are tensors in all. `weights` has
    // layout.prunable_size() floats; 0 <= floor <= 1. O(n log n).
    ladder(const parameter_layout& layout, const mask& m, std::span<const float> weights, double floor);

    // Ranks all weights of a chain of layers so that the part of level s is the network of the first
    // ceil(s/1000 x n) of n units in each layer but the last, all of whose outputs stay, and with shift = t
    // of those from unit t mod n on: the sub-models of HeteroFL (Diao et al. 2021) and, in round t, of
    // FedRolex (Alam et al. 2022). The layout has tensors of weights and biases, of which each layer's inputs
    // are the units of the one before, or equal groups of them.
    ladder(const parameter_layout& layout, width_slices slices);

    // From rung_of() of another; throws feddip::error unless it can be one.
    explicit ladder(std::vector<std::uint16_t> rung_of);

    // Of each prunable weight; 0: outside the mask.
    std::span<const std::uint16_t> rung_of() const { return rung_of_; }
    // Of what is never pruned, where parts lack some of it; else empty: all parts have all of it.
    std::span<const std::uint16_t> rung_of_tail() const { return rung_of_tail_; }
    // Whether its level and turn say all about a part.
    bool slices_width() const { return !rung_of_tail_.empty(); }

    mask part(ladder_part which) const;
    // Its weights, without making it; `which` is limited.
    std::size_t count(ladder_part which) const;
    // What it has of `tail` values that are never pruned.
    std::size_t count_tail(ladder_part which, std::size_t tail) const;
    // The highest level of at most `most` weights, 0 where there is none.
    int level_of(std::size_t most) const;

private:
    void count_rungs();
    std::size_t up_to(int rung) const { return up_to_[static_cast<std::size_t>(rung)]; }

    std::vector<std::uint16_t> rung_of_, rung_of_tail_;
    std::vector<std::size_t> up_to_ =
        std::vector<std::size_t>(rungs + 1); // weights on it and those before it
};

} // namespace feddip::sparse
