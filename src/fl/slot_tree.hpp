// The fixed binary tree in which the vectors of the sampled clients (slots) are added, so that neither ranks
// nor arrival change a bit of the sum. What each rank does is pure data, computed from the owners of the
// slots alone.
#pragma once

#include "fl/transport.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace feddip::fl {

// What one rank does for a sum, as a program for a stack of partial sums. `number` is a slot or a rank.
struct slot_step {
    enum class kind {
        leaf,            // push the vector of slot `number`
        merge,           // pop the right half, add it to the left half below it; no number
        send,            // pop, send to rank `number`
        receive_and_add, // a right half from rank `number` is added to the top
        receive,         // push what rank `number` sends: the whole sum, at rank 0
    };
    kind what;
    int number;

    bool operator==(const slot_step&) const = default;
};

// Node [2^j i, 2^j (i+1)) belongs to the owner of its first slot; a right half owned elsewhere is sent to the
// owner of the left half, and the root to rank 0. Five slots, of ranks 0 0 1 2 1:
//
//     slot   0    1    2    3    4
//     rank   0    0    1    2    1      rank 0: leaf 0, leaf 1, merge,
//             \  /      \  /     |              receive_and_add 1, receive_and_add 1
//     rank     0        1      |      rank 1: leaf 2, receive_and_add 2, send 0,
//                \    /        |              leaf 4, send 0
//     rank         0           |      rank 2: leaf 3, send 1
//                     \       /
//     rank               0            holds ((0 + 1) + (2 + 3)) + 4
//
// Steps come in the tree's post-order. As that order is the same for all ranks, ranks that carry out theirs
// in order, with sends that don't wait, can't deadlock, messages between two ranks never overtake each other,
// and the stack is at most ceil(log2 slots) + 1 deep.
std::vector<slot_step> slot_tree_steps(std::span<const int> owner_of_slot, int rank);

// How vectors travel between ranks: all messages between two ranks in the order of the steps.
class slot_link {
public:
    virtual ~slot_link() = default;
    // Takes the vector without waiting for the receiver.
    virtual void send(int rank, std::vector<float> values) = 0;
    virtual void receive(int rank, std::span<float> values) = 0;
    virtual void receive_and_add(int rank, std::span<float> values) = 0;
    // A vector of `length` floats of any value, reused where one is free.
    virtual std::vector<float> vector_of(std::size_t length) { return std::vector<float>(length); }
    // A vector that is no longer needed.
    virtual void recycle(std::vector<float>) {}
    // Returns when everything sent has left.
    virtual void flush() {}
};

// Carries out the steps of one rank. Sends leave as soon as what they carry is complete; receives, which may
// have to wait for another rank, are put off until the next add() or finish().
class slot_tree_sum : public slot_sum {
public:
    slot_tree_sum(std::span<const int> owner_of_slot, int rank, std::size_t length,
                  std::unique_ptr<slot_link> link);

    // Throws feddip::error for a slot that is not this rank's next, or a vector of another length.
    void add(int slot, std::span<const float> values) override;
    // Throws feddip::error when a slot of this rank is missing. With no slots at all the sum is zero.
    std::span<const float> finish() override;

private:
    bool done() const { return next_ == steps_.size(); }
    void run_until_leaf();
    void run_until_receive();
    void run(const slot_step& step);
    void push_leaf(std::span<const float> values);

    int rank_;
    std::size_t length_;
    std::vector<slot_step> steps_;
    std::size_t next_ = 0;
    std::unique_ptr<slot_link> link_;
    std::vector<std::vector<float>> stack_;
};

} // namespace feddip::fl
