// All updates of a round, cut into slices of coordinates: each rank gets the same slice of every update, and
// no rank holds them all.
//
// Coordinates are those of the flat buffer (layout.size()), then, where the plan has them sent, the squared
// gradients of the prunable weights. Three slots of ranks 0 0 1, and two ranks:
//
//              trained                 exchanged
//     rank 0   a0 a1 a2 a3             a0 a1
//              b0 b1 b2 b3             b0 b1
//                                      c0 c1
//     rank 1   c0 c1 c2 c3             a2 a3
//                                      b2 b3
//                                      c2 c3
#pragma once

#include "fl/aggregation/aggregation.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace feddip::fl {

// What one client sent of a slice.
struct update_slice {
    std::uint32_t slot = 0, samples = 0;
    sparse::sparse_vector sent; // over the coordinates of the slice
};

struct coordinate_range {
    std::size_t first = 0, last = 0; // [first, last)
    std::size_t size() const { return last - first; }
};

struct unpacked_slices {
    std::vector<update_slice> finite;
    int not_finite = 0; // so many other updates
};

// What slicer::exchange sends to the rank that has a slice of so many coordinates. Throws feddip::error for
// bytes that it can't have packed.
unpacked_slices unpack_slices(std::span<const std::byte> message, std::size_t coordinates);

// Collects this rank's uploads and exchanges them.
class slicer {
public:
    // Slices are whole blocks of so many coordinates, the last one shorter.
    static constexpr std::size_t block = 4096;

    slicer(const aggregation_setting& setting, transport& ranks);

    // Coordinates before the squared gradients.
    std::size_t weights() const { return model_.state.size(); }
    coordinate_range range_of(int rank) const;

    // What the clients were sent there; of squared gradients 0.
    float kept(std::size_t coordinate) const {
        return coordinate < weights() ? model_.state[coordinate] : 0.0F;
    }

    // What becomes of a coordinate that no update that counts has: with plan.averages_senders a weight is 0
    // then, as the mean has it, so that one that all clients dropped gives way to those that they regrew.
    float unsent(std::size_t coordinate) const {
        return coordinate < dropped_by_all_ ? 0.0F : kept(coordinate);
    }

    // Of uploads that are not included nothing is kept but their number.
    void add(int slot, const upload& sent);

    // Collective, once: of all uploads the slice of this rank, by slot. Those that were added are let go.
    std::vector<update_slice> exchange();

    // Afterwards, on every rank: how many uploads were not included.
    int not_finite() const { return not_finite_; }

    // Collective: on rank 0 the slices of all ranks behind one another, elsewhere nothing. `mine` has a value
    // for each coordinate of this rank's slice.
    std::vector<float> join(std::span<const float> mine);

    // The weights and the squared gradients of what was joined.
    aggregate split(std::span<const float> joined) const;

private:
    std::vector<std::byte> packed_for(int rank) const;

    transport& ranks_;
    const global_model& model_;
    std::size_t coordinates_;
    std::size_t dropped_by_all_;      // coordinates before are weights that are 0 where no update has them
    std::vector<update_slice> added_; // of all coordinates
    int not_finite_ = 0;              // on this rank, then on all
};

// For each coordinate i of a slice in turn: take(i, u, value) for each update u that sent it, then done(i).
template <typename Take, typename Done>
void visit_coordinates(std::span<const update_slice> updates, std::size_t coordinates, Take take, Done done) {
    std::vector<std::size_t> next(updates.size()); // value of each update
    for (std::size_t i = 0; i < coordinates; ++i) {
        for (std::size_t u = 0; u < updates.size(); ++u) {
            if (updates[u].sent.support[i]) {
                take(i, u, updates[u].sent.values[next[u]++]);
            }
        }
        done(i);
    }
}

} // namespace feddip::fl
