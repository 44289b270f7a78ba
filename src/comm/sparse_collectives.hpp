// Collectives on sparse vectors, for programs that hold a model dense and packed; training sums through
// mpi_transport, whose sparse link sum_over_union is. On a mask that all ranks hold only alive values travel,
// no positions; masks that are new to the receivers, and vectors with supports of their own, travel with
// coded positions.
#pragma once

#include "comm/communicator.hpp"
#include "sparse/mask.hpp"
#include "sparse/sparse_vector.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::comm {

// A part of the mask whose alive values travel as one message.
struct masked_piece {
    std::size_t first_word, last_word; // of the mask, the last one excluded
    std::size_t values;                // alive ones

    bool operator==(const masked_piece&) const = default;
};

// The whole mask in pieces of at most `most` + 63 values and 2^32 positions; those without values are left
// out.
std::vector<masked_piece> pieces_of(const sparse::mask& m, std::size_t most);

// What travels is planned once per mask, then used for any number of exchanges. Vectors are dense in memory
// (m.size() floats); entries outside the mask are neither read nor written. Beside them a rank needs 4 bytes
// for each value and the memory of three pieces, whatever the number of ranks. With the mask 1 0 1 0:
//
//     broadcast    rank 0      rank 1      rank 2        sum    rank 0        rank 1      rank 2
//     before       a . b .     . . . .     . . . .              a . b .       c . d .     e . f .
//     on the wire     a b ------> a b ------> a b                  a b <------- c d
//                                                                  a b <------------------- e f
//     after        a . b .     a . b .     a . b .              p . q .       c . d .     e . f .
//                                                               p = (a + c) + e, q = (b + d) + f
class masked_exchange {
public:
    static constexpr std::size_t values_per_piece = std::size_t{1} << 18;
    explicit masked_exchange(const sparse::mask& m, std::size_t most = values_per_piece);

    // Collective: on the mask, every rank's vector becomes that of `root`.
    void broadcast(communicator& c, int root, std::span<float> vector) const;

    // Collective: on the mask, rank 0's vector becomes the sum over ranks, in the order of fl's slot tree
    // with one slot per rank; those of the others stay.
    void sum(communicator& c, std::span<float> vector) const;

private:
    std::span<const std::uint32_t> positions_of(std::size_t piece) const;
    void pack(std::size_t piece, std::span<const float> vector, std::span<float> packed) const;
    void unpack(std::size_t piece, std::span<const float> packed, std::span<float> vector) const;
    void check_length(std::size_t length) const;

    std::size_t size_; // of the mask
    std::vector<masked_piece> pieces_;
    std::vector<std::size_t> first_value_; // [pieces]
    std::vector<std::uint32_t> positions_; // of the values, counted from the first position of their piece
    std::size_t largest_ = 0;              // values of the largest piece
};

// The same two for the values alone, packed in mask order: every rank's become those of `root`; rank 0's
// become the sum over ranks.
void broadcast_values(communicator& c, int root, std::span<float> values);
void sum_values(communicator& c, std::span<float> values);

// Collective: every rank's mask becomes that of `root`, layer by layer coded as the difference to `base`
// where that has less entropy. `base` is a mask that all ranks hold, or null everywhere.
void broadcast_mask(communicator& c, int root, const parameter_layout& layout, const sparse::mask* base,
                    sparse::mask& m);

// Collective: at rank 0 the sum over ranks, alive where any is, in the order of fl's slot tree with one slot
// per rank; elsewhere nothing is alive.
sparse::sparse_vector sum_over_union(communicator& c, const parameter_layout& layout,
                                     const sparse::mask* base, sparse::sparse_vector mine);

} // namespace feddip::comm
