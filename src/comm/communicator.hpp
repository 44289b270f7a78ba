// A group of ranks that exchange bytes, and the count of what they hand to MPI.
#pragma once

#include "comm/mpi.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace feddip::comm {

// Messages under way. Move-only; wait() or test() says when the buffers are free again.
class transfer {
public:
    transfer() = default;
    ~transfer();
    transfer(transfer&& other) noexcept;
    transfer& operator=(transfer&& other) noexcept;

    void wait();
    bool test(); // true when everything is done

private:
    friend class communicator;
    void release() noexcept;

    unwinding_detector detector_;
    std::vector<MPI_Request> requests_;
    std::vector<std::size_t> expected_; // bytes of each receive; empty for sends
};

// Owns a duplicate of the communicator it is made from, so that its messages never meet the caller's.
// Move-only, and made and destroyed by all ranks together. All lengths may exceed 2^31 bytes.
//
// bytes_sent() counts the bytes that this rank has handed to MPI in send buffers through this object:
//   send, start_send   the message
//   broadcast          the message at the root, nothing elsewhere (how MPI forwards it is not seen)
//   gather             8 bytes at every rank but the root
//   maximum            the size of an int at every rank
//   barrier            nothing
class communicator {
public:
    static communicator world() { return communicator(MPI_COMM_WORLD); }
    explicit communicator(MPI_Comm original);
    ~communicator();
    communicator(communicator&& other) noexcept;
    communicator& operator=(communicator&& other) noexcept;

    int rank() const { return rank_; }
    int size() const { return size_; }
    MPI_Comm handle() const { return handle_; }

    // Messages between two ranks with one tag arrive in order. A receive of another length than was sent
    // throws, up to the piece: messages are sent in pieces of `piece` bytes, which both sides must give
    // alike.
    static constexpr std::size_t largest_piece = std::size_t{1} << 30;
    void send(int to, int tag, std::span<const std::byte> bytes);
    void receive(int from, int tag, std::span<std::byte> bytes);
    transfer start_send(int to, int tag, std::span<const std::byte> bytes, std::size_t piece = largest_piece);
    transfer start_receive(int from, int tag, std::span<std::byte> bytes, std::size_t piece = largest_piece);

    // Collective.
    void broadcast(int root, std::span<std::byte> bytes);
    std::vector<std::uint64_t> gather(int root, std::uint64_t value); // by rank; empty but at the root
    int maximum(int value);
    void barrier();

    std::uint64_t bytes_sent() const { return bytes_sent_; }

private:
    void release() noexcept;

    unwinding_detector detector_;
    MPI_Comm handle_ = MPI_COMM_NULL;
    int rank_ = 0;
    int size_ = 1;
    std::uint64_t bytes_sent_ = 0;
};

// Collective: everybody's bytes, by rank, at the root; elsewhere empty.
std::vector<std::vector<std::byte>> gather_bytes(communicator& c, int root, std::span<const std::byte> mine);

// Collective: messages[r] goes to rank r. What came, by sender.
std::vector<std::vector<std::byte>> exchange_bytes(communicator& c,
                                                   std::vector<std::vector<std::byte>> messages);

// Collective: everybody's text, by rank, at rank 0; elsewhere empty.
std::vector<std::string> gather_text(communicator& c, const std::string& mine);

// Collective: the name of each rank's machine, the same way.
std::vector<std::string> hostnames(communicator& c);

} // namespace feddip::comm
