// fl's transport over MPI.
#pragma once

#include "comm/communicator.hpp"
#include "fl/transport.hpp"

namespace feddip::comm {

// A sum runs along the fixed tree of fl/slot_tree.hpp. Four slots, owned by ranks 0 1 1 2; each line shows
// what the ranks hold:
//
//                            rank 0            rank 1           rank 2
//     trained                a                 b, c             d
//     right halves sent      a <-------------- b, c <---------- d
//     merged                 a+b               c+d              -
//     right half sent        a+b <------------ c+d              -
//     merged                 (a+b)+(c+d)       -                -
//
// With the owners 0 0 0 0 it is rank 0 that computes (a+b)+(c+d), to the same bits. Where the owners ascend
// with the slots a rank sends and receives at most ceil(log2 slots) vectors; sends leave during local
// training, and a rank never holds more than 2 ceil(log2 slots) + 2 vectors, those on their way out included.
class mpi_transport : public fl::transport {
public:
    explicit mpi_transport(communicator c);

    int rank() const override { return communicator_.rank(); }
    int size() const override { return communicator_.size(); }
    void broadcast(std::vector<std::byte>& message) override;
    // The sum must not outlive the transport. Sums may overlap when all ranks start them, add to them and
    // finish them in one order.
    std::unique_ptr<fl::slot_sum> start_sum(std::span<const int> owner_of_slot, std::size_t length) override;
    std::unique_ptr<fl::sparse_slot_sum> start_sparse_sum(std::span<const int> owner_of_slot,
                                                          const parameter_layout& layout,
                                                          const sparse::mask* base) override;
    std::vector<std::vector<std::byte>> gather(std::span<const std::byte> mine) override;
    std::vector<std::vector<std::byte>> exchange(std::vector<std::vector<std::byte>> messages) override;
    bool any(bool mine) override;
    // As communicator::bytes_sent counts it, the lengths sent ahead of messages included.
    std::uint64_t bytes_sent() const override { return communicator_.bytes_sent(); }

private:
    int next_sum_tag(std::span<const int> owner_of_slot);

    communicator communicator_;
    int sums_started_ = 0;
};

} // namespace feddip::comm
