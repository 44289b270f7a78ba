// Memory that all ranks of a machine share, so that a data set is held once per node.
#pragma once

#include "comm/communicator.hpp"

#include <cstddef>
#include <span>

namespace feddip::comm {

// One rank per node, the leader, fills the buffer; all read it after publish(). Made and destroyed by all
// ranks together, while MPI runs.
//
//                node A: rank 0   rank 1    node B: rank 2
//     made               leader   -                 leader     one buffer on A, one on B
//     fill               writes   waits             writes
//     publish            reads    reads             reads
class shared_buffer {
public:
    // Collective over `c`, with the same `bytes` everywhere.
    shared_buffer(const communicator& c, std::size_t bytes);
    ~shared_buffer();
    shared_buffer(shared_buffer&& other) noexcept;
    shared_buffer& operator=(shared_buffer&& other) noexcept;

    bool leader() const { return leader_; }
    std::span<std::byte> bytes() const { return bytes_; }

    // Collective over the node: what the leader has written is seen by all from here on.
    void publish();

private:
    void release() noexcept;

    unwinding_detector detector_;
    MPI_Comm node_ = MPI_COMM_NULL;
    MPI_Win window_ = MPI_WIN_NULL;
    bool leader_ = false;
    std::span<std::byte> bytes_;
};

} // namespace feddip::comm
