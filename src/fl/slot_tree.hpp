// The fixed binary tree in which the vectors of the sampled clients (slots) are added, so that neither ranks
// nor arrival change a bit of the sum. What each rank does is pure data, computed from the owners of the
// slots alone.
#pragma once

#include "base/error.hpp"
#include "fl/transport.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
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

// How partial sums are added and travel between ranks: all messages between two ranks in the order of the
// steps. A Value is a partial sum, a Leaf what one slot adds.
template <typename Value, typename Leaf>
class slot_link {
public:
    virtual ~slot_link() = default;
    virtual Value sum_of(Leaf leaf) = 0;
    virtual void add_leaf(Value& left, Leaf leaf) = 0;
    virtual void add(Value& left, Value right) = 0;
    // Takes the partial sum without waiting for the receiver.
    virtual void send(int rank, Value value) = 0;
    virtual Value receive(int rank) = 0;
    virtual void receive_and_add(int rank, Value& left) = 0;
    // Returns when everything sent has left.
    virtual void flush() = 0;
};

// Carries out the steps of one rank. Sends leave as soon as what they carry is complete; receives, which may
// have to wait for another rank, are put off until the next add() or finish().
template <typename Value, typename Leaf>
class slot_tree_run {
public:
    slot_tree_run(std::span<const int> owner_of_slot, int rank, std::unique_ptr<slot_link<Value, Leaf>> link)
        : rank_(rank), steps_(slot_tree_steps(owner_of_slot, rank)), link_(std::move(link)) {}

    // Throws feddip::error for a slot that is not this rank's next.
    void add(int slot, Leaf leaf) {
        while (!done() && steps_[next_].what != kind::leaf) {
            run(steps_[next_++]);
        }
        check_turn(slot);
        ++next_;
        if (!done() && steps_[next_].what == kind::merge) {
            ++next_;
            link_->add_leaf(stack_.back(), std::move(leaf));
        } else {
            stack_.push_back(link_->sum_of(std::move(leaf)));
        }
        while (!done() && (steps_[next_].what == kind::merge || steps_[next_].what == kind::send)) {
            run(steps_[next_++]);
        }
    }

    // The sum where this is rank 0 and there are slots, else null. Throws feddip::error when a slot of this
    // rank is missing.
    Value* finish() {
        while (!done()) {
            check_not_missing(steps_[next_]);
            run(steps_[next_++]);
        }
        link_->flush();
        return stack_.empty() ? nullptr : &stack_.front();
    }

private:
    using kind = slot_step::kind;

    bool done() const { return next_ == steps_.size(); }

    Value pop() {
        Value top = std::move(stack_.back());
        stack_.pop_back();
        return top;
    }

    void run(const slot_step& step) {
        switch (step.what) {
        case kind::leaf:
            break; // add() does these
        case kind::merge: {
            Value right = pop();
            link_->add(stack_.back(), std::move(right));
            break;
        }
        case kind::send:
            link_->send(step.number, pop());
            break;
        case kind::receive_and_add:
            link_->receive_and_add(step.number, stack_.back());
            break;
        case kind::receive:
            stack_.push_back(link_->receive(step.number));
            break;
        }
    }

    void check_turn(int slot) const {
        if (done() || steps_[next_].number != slot) {
            refuse(slot, done() ? "all slots of this rank are in the sum"
                                : "the next slot of this rank is " + std::to_string(steps_[next_].number));
        }
    }

    void check_not_missing(const slot_step& step) const {
        if (step.what == kind::leaf) {
            refuse(step.number, "it is missing, and the sum was to be finished");
        }
    }

    [[noreturn]] void refuse(int slot, const std::string& why) const {
        throw error("slot " + std::to_string(slot) + " can't be added", "rank " + std::to_string(rank_), why);
    }

    int rank_;
    std::vector<slot_step> steps_;
    std::size_t next_ = 0;
    std::unique_ptr<slot_link<Value, Leaf>> link_;
    std::vector<Value> stack_;
};

// left += right
void add_to(std::span<float> left, std::span<const float> right);

// Dense vectors of one length on one rank. Over MPI, comm overrides what travels.
class dense_link : public slot_link<std::vector<float>, std::span<const float>> {
public:
    std::vector<float> sum_of(std::span<const float> leaf) override;
    void add_leaf(std::vector<float>& left, std::span<const float> leaf) override;
    void add(std::vector<float>& left, std::vector<float> right) override;
    void send(int rank, std::vector<float> value) override;
    std::vector<float> receive(int rank) override;
    void receive_and_add(int rank, std::vector<float>& left) override;
    void flush() override {}

protected:
    // A vector of any values, one that was used before where there is one.
    std::vector<float> spare(std::size_t length);
    void recycle(std::vector<float> vector) { spare_.push_back(std::move(vector)); }

private:
    std::vector<std::vector<float>> spare_;
};

// Sparse vectors on one rank.
class sparse_link : public slot_link<sparse::sparse_vector, sparse::sparse_vector> {
public:
    sparse::sparse_vector sum_of(sparse::sparse_vector leaf) override { return leaf; }
    void add_leaf(sparse::sparse_vector& left, sparse::sparse_vector leaf) override;
    void add(sparse::sparse_vector& left, sparse::sparse_vector right) override;
    void send(int rank, sparse::sparse_vector value) override;
    sparse::sparse_vector receive(int rank) override;
    void receive_and_add(int rank, sparse::sparse_vector& left) override;
    void flush() override {}
};

// The sums that a transport hands out. They throw feddip::error for slots out of turn or missing, and for
// vectors of another length. With no slots at all the sum is zero.
std::unique_ptr<slot_sum> make_slot_sum(std::span<const int> owner_of_slot, int rank, std::size_t length,
                                        std::unique_ptr<dense_link> link);
std::unique_ptr<sparse_slot_sum> make_sparse_slot_sum(std::span<const int> owner_of_slot, int rank,
                                                      std::size_t length, std::unique_ptr<sparse_link> link);

} // namespace feddip::fl
