// How the partial sums of a slot tree (fl/slot_tree.hpp) travel over MPI.
#pragma once

#include "comm/communicator.hpp"
#include "fl/slot_tree.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

namespace feddip::comm {

// Vectors that MPI is still sending: at most `most`, so that memory is bounded; one more waits for the
// oldest.
template <typename T>
class outbox {
public:
    outbox(communicator& c, int tag, std::size_t most) : communicator_(c), tag_(tag), most_(most) {}

    // Vectors that have left meanwhile are handed to `reuse`.
    void send(int rank, std::vector<T> values, const std::function<void(std::vector<T>)>& reuse);
    void flush();

private:
    struct parcel {
        std::vector<T> values; // before `sending`: it must live longer
        transfer sending;
    };

    communicator& communicator_;
    int tag_;
    std::size_t most_;
    std::deque<parcel> parcels_;
};

class mpi_dense_link : public fl::dense_link {
public:
    // All vectors have `length` floats. The communicator must outlive the link.
    mpi_dense_link(communicator& c, int tag, std::size_t slots, std::size_t length);

    void send(int rank, std::vector<float> value) override;
    std::vector<float> receive(int rank) override;
    // Piece by piece, one being added while the next arrives: no second vector is needed.
    void receive_and_add(int rank, std::vector<float>& left) override;
    void flush() override { outbox_.flush(); }

private:
    communicator& communicator_;
    int tag_;
    std::size_t length_;
    outbox<float> outbox_;
    std::array<std::vector<float>, 2> arrived_;
};

// A vector travels as its lengths (12 bytes), its coded support and its values.
class mpi_sparse_link : public fl::sparse_link {
public:
    mpi_sparse_link(communicator& c, int tag, std::size_t slots, const parameter_layout& layout,
                    const sparse::mask* base);

    void send(int rank, sparse::sparse_vector value) override;
    sparse::sparse_vector receive(int rank) override;
    void receive_and_add(int rank, sparse::sparse_vector& left) override;
    void flush() override;

private:
    struct [[gnu::packed]] head {
        std::uint64_t values;
        std::uint32_t code_bytes;
    };

    communicator& communicator_;
    int tag_;
    const parameter_layout& layout_;
    const sparse::mask* base_;
    outbox<head> heads_;
    outbox<std::byte> codes_;
    outbox<float> values_;
};

} // namespace feddip::comm
