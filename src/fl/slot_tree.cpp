#include "fl/slot_tree.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace feddip::fl {

namespace {

using kind = slot_step::kind;

void add_to(std::span<float> sum, std::span<const float> values) {
    for (std::size_t i = 0; i < sum.size(); ++i) {
        sum[i] += values[i];
    }
}

class planner {
public:
    planner(std::span<const int> owner_of_slot, int rank) : owner_(owner_of_slot), rank_(rank) {}

    // The node of `width` slots (a power of two) that starts at `first`.
    void visit(std::size_t first, std::size_t width) {
        if (width == 1) {
            if (owner_[first] == rank_) {
                steps.push_back({kind::leaf, static_cast<int>(first)});
            }
            return;
        }
        const std::size_t middle = first + width / 2;
        visit(first, width / 2);
        if (middle >= owner_.size()) {
            return;
        }
        visit(middle, width / 2);
        const int left = owner_[first];
        const int right = owner_[middle];
        if (left == rank_) {
            steps.push_back(right == rank_ ? slot_step{kind::merge, 0}
                                           : slot_step{kind::receive_and_add, right});
        } else if (right == rank_) {
            steps.push_back({kind::send, left});
        }
    }

    std::vector<slot_step> steps;

private:
    std::span<const int> owner_;
    int rank_;
};

} // namespace

std::vector<slot_step> slot_tree_steps(std::span<const int> owner_of_slot, int rank) {
    if (owner_of_slot.empty()) {
        return {};
    }
    planner plan(owner_of_slot, rank);
    plan.visit(0, std::bit_ceil(owner_of_slot.size()));
    const int root = owner_of_slot[0];
    if (root != 0 && rank == root) {
        plan.steps.push_back({kind::send, 0});
    } else if (root != 0 && rank == 0) {
        plan.steps.push_back({kind::receive, root});
    }
    return std::move(plan.steps);
}

slot_tree_sum::slot_tree_sum(std::span<const int> owner_of_slot, int rank, std::size_t length,
                             std::unique_ptr<slot_link> link)
    : rank_(rank), length_(length), steps_(slot_tree_steps(owner_of_slot, rank)), link_(std::move(link)) {
    if (owner_of_slot.empty() && rank == 0) {
        stack_.emplace_back(length, 0.0F);
    }
}

void slot_tree_sum::add(int slot, std::span<const float> values) {
    run_until_leaf();
    if (done() || steps_[next_].number != slot) {
        throw error(fmt::format("slot {} can't be added", slot), fmt::format("rank {}", rank_),
                    done() ? "all slots of this rank are in the sum"
                           : fmt::format("the next slot of this rank is {}", steps_[next_].number));
    }
    if (values.size() != length_) {
        throw error(fmt::format("slot {} can't be added", slot), fmt::format("rank {}", rank_),
                    fmt::format("it has {} values, the sum {}", values.size(), length_));
    }
    ++next_;
    push_leaf(values);
    run_until_receive();
}

std::span<const float> slot_tree_sum::finish() {
    run_until_leaf();
    if (!done()) {
        throw error("the sum can't be finished", fmt::format("rank {}", rank_),
                    fmt::format("slot {} was not added", steps_[next_].number));
    }
    link_->flush();
    return stack_.empty() ? std::span<const float>() : std::span<const float>(stack_.front());
}

void slot_tree_sum::run_until_leaf() {
    while (!done() && steps_[next_].what != kind::leaf) {
        run(steps_[next_++]);
    }
}

void slot_tree_sum::run_until_receive() {
    while (!done() && (steps_[next_].what == kind::merge || steps_[next_].what == kind::send)) {
        run(steps_[next_++]);
    }
}

void slot_tree_sum::push_leaf(std::span<const float> values) {
    if (!done() && steps_[next_].what == kind::merge) {
        ++next_;
        add_to(stack_.back(), values);
        return;
    }
    stack_.push_back(link_->vector_of(length_));
    std::ranges::copy(values, stack_.back().begin());
}

void slot_tree_sum::run(const slot_step& step) {
    switch (step.what) {
    case kind::leaf:
        break; // add() does these
    case kind::merge: {
        std::vector<float> right = std::move(stack_.back());
        stack_.pop_back();
        add_to(stack_.back(), right);
        link_->recycle(std::move(right));
        break;
    }
    case kind::send: {
        std::vector<float> node = std::move(stack_.back());
        stack_.pop_back();
        link_->send(step.number, std::move(node));
        break;
    }
    case kind::receive_and_add:
        link_->receive_and_add(step.number, stack_.back());
        break;
    case kind::receive:
        stack_.push_back(link_->vector_of(length_));
        link_->receive(step.number, stack_.back());
        break;
    }
}

} // namespace feddip::fl
