// What the round loop needs of the machine: rank 0 speaks to all, and all add up at rank 0.
// Implemented by comm over MPI, and by in_process_transport for one rank.
#pragma once

#include "base/layout.hpp"
#include "sparse/sparse_vector.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace feddip::fl {

// The sum of one vector per slot (sampled client), in an order fixed by the slots alone: node [2^j i, 2^j
// (i+1)) of a binary tree over the slots is the sum of its two halves, left + right, a missing half counting
// as absent. So the bits do not depend on how slots are placed on ranks.
class slot_sum {
public:
    virtual ~slot_sum() = default;
    // This rank's slots, in ascending order, each once. The values are copied or consumed before it returns.
    virtual void add(int slot, std::span<const float> values) = 0;
    // Collective. On rank 0 the sum, valid as long as this object; elsewhere empty.
    virtual std::span<const float> finish() = 0;
};

// The same for sparse vectors over the prunable weights, each with a support of its own.
class sparse_slot_sum {
public:
    virtual ~sparse_slot_sum() = default;
    virtual void add(int slot, sparse::sparse_vector vector) = 0;
    // Collective. On rank 0 the sum, alive where any vector is; elsewhere nothing is alive. To be called
    // once.
    virtual sparse::sparse_vector finish() = 0;
};

class transport {
public:
    virtual ~transport() = default;

    virtual int rank() const = 0;
    virtual int size() const = 0;

    // Collective: every rank's `message` becomes rank 0's.
    virtual void broadcast(std::vector<std::byte>& message) = 0;

    // Collective. owner_of_slot[s] is the rank that adds slot s; all vectors have `length` floats. Memory and
    // rank 0's incoming traffic grow with the logarithm of the number of slots where owners are ascending.
    virtual std::unique_ptr<slot_sum> start_sum(std::span<const int> owner_of_slot, std::size_t length) = 0;

    // Collective. Between ranks vectors travel as coded positions and values; `base` is a mask that all ranks
    // hold, to which most positions are alike, or null. The sum uses `layout` and `base` as long as it lives.
    virtual std::unique_ptr<sparse_slot_sum> start_sparse_sum(std::span<const int> owner_of_slot,
                                                              const parameter_layout& layout,
                                                              const sparse::mask* base) = 0;

    // Collective: on rank 0 everybody's bytes, by rank; elsewhere empty.
    virtual std::vector<std::vector<std::byte>> gather(std::span<const std::byte> mine) = 0;

    // Collective: messages[r] goes to rank r. What came, by sender.
    virtual std::vector<std::vector<std::byte>> exchange(std::vector<std::vector<std::byte>> messages) = 0;

    // Collective: true where any rank says true.
    virtual bool any(bool mine) = 0;

    // Collective: nobody goes on before all are here. A broadcast may return at rank 0 long before the
    // message has crossed a slow link, whose time would count as another stage's.
    void wait_for_all() { any(false); }

    // Payload bytes that this rank has handed to the machine for sending so far.
    virtual std::uint64_t bytes_sent() const = 0;
};

} // namespace feddip::fl
