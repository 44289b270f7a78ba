// A machine of one rank, in this process: the round loop without MPI.
#pragma once

#include "fl/transport.hpp"

namespace feddip::fl {

// Nothing is ever sent. Sums have the same bits as over MPI.
class in_process_transport : public transport {
public:
    int rank() const override { return 0; }
    int size() const override { return 1; }
    void broadcast(std::vector<std::byte>&) override {}
    std::unique_ptr<slot_sum> start_sum(std::span<const int> owner_of_slot, std::size_t length) override;
    std::unique_ptr<sparse_slot_sum> start_sparse_sum(std::span<const int> owner_of_slot,
                                                      const parameter_layout& layout,
                                                      const sparse::mask* base) override;
    std::vector<std::vector<std::byte>> gather(std::span<const std::byte> mine) override;
    std::vector<std::vector<std::byte>> exchange(std::vector<std::vector<std::byte>> messages) override {
        return messages;
    }
    bool any(bool mine) override { return mine; }
    std::uint64_t bytes_sent() const override { return 0; }
};

} // namespace feddip::fl
