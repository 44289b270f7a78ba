#include "fl/slot_tree.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace feddip::fl {

namespace {

using kind = slot_step::kind;

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

[[noreturn]] void refuse(int rank) {
    throw error("a sum can't be taken", "this process", fmt::format("there is no rank {}", rank));
}

void check_length(int slot, std::size_t length, std::size_t expected) {
    if (length != expected) {
        throw error(fmt::format("slot {} can't be added", slot), "sum",
                    fmt::format("it has length {}, the sum {}", length, expected));
    }
}

class dense_sum : public slot_sum {
public:
    dense_sum(std::span<const int> owner_of_slot, int rank, std::size_t length,
              std::unique_ptr<dense_link> link)
        : length_(length), run_(owner_of_slot, rank, std::move(link)),
          zero_(owner_of_slot.empty() && rank == 0 ? length : 0) {}

    void add(int slot, std::span<const float> values) override {
        check_length(slot, values.size(), length_);
        run_.add(slot, values);
    }

    std::span<const float> finish() override {
        const std::vector<float>* sum = run_.finish();
        return sum == nullptr ? zero_ : *sum;
    }

private:
    std::size_t length_;
    slot_tree_run<std::vector<float>, std::span<const float>> run_;
    std::vector<float> zero_; // the sum of no slots
};

class sparse_sum : public sparse_slot_sum {
public:
    sparse_sum(std::span<const int> owner_of_slot, int rank, std::size_t length,
               std::unique_ptr<sparse_link> link)
        : length_(length), run_(owner_of_slot, rank, std::move(link)) {}

    void add(int slot, sparse::sparse_vector vector) override {
        check_length(slot, vector.support.size(), length_);
        check_length(slot, vector.values.size(), vector.support.count());
        run_.add(slot, std::move(vector));
    }

    sparse::sparse_vector finish() override {
        sparse::sparse_vector* sum = run_.finish();
        return sum == nullptr ? sparse::sparse_vector{sparse::mask(length_, false), {}} : std::move(*sum);
    }

private:
    std::size_t length_;
    slot_tree_run<sparse::sparse_vector, sparse::sparse_vector> run_;
};

} // namespace

void add_to(std::span<float> left, std::span<const float> right) {
    for (std::size_t i = 0; i < left.size(); ++i) {
        left[i] += right[i];
    }
}

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

std::vector<float> dense_link::spare(std::size_t length) {
    if (spare_.empty()) {
        return std::vector<float>(length);
    }
    std::vector<float> vector = std::move(spare_.back());
    spare_.pop_back();
    return vector;
}

std::vector<float> dense_link::sum_of(std::span<const float> leaf) {
    std::vector<float> vector = spare(leaf.size());
    std::ranges::copy(leaf, vector.begin());
    return vector;
}

void dense_link::add_leaf(std::vector<float>& left, std::span<const float> leaf) {
    add_to(left, leaf);
}

void dense_link::add(std::vector<float>& left, std::vector<float> right) {
    add_to(left, right);
    recycle(std::move(right));
}

void dense_link::send(int rank, std::vector<float>) {
    refuse(rank);
}
std::vector<float> dense_link::receive(int rank) {
    refuse(rank);
}
void dense_link::receive_and_add(int rank, std::vector<float>&) {
    refuse(rank);
}

void sparse_link::add_leaf(sparse::sparse_vector& left, sparse::sparse_vector leaf) {
    add(left, std::move(leaf));
}

void sparse_link::add(sparse::sparse_vector& left, sparse::sparse_vector right) {
    left = sparse::sum(left, right);
}

void sparse_link::send(int rank, sparse::sparse_vector) {
    refuse(rank);
}
sparse::sparse_vector sparse_link::receive(int rank) {
    refuse(rank);
}
void sparse_link::receive_and_add(int rank, sparse::sparse_vector&) {
    refuse(rank);
}

std::unique_ptr<slot_sum> make_slot_sum(std::span<const int> owner_of_slot, int rank, std::size_t length,
                                        std::unique_ptr<dense_link> link) {
    return std::make_unique<dense_sum>(owner_of_slot, rank, length, std::move(link));
}

std::unique_ptr<sparse_slot_sum> make_sparse_slot_sum(std::span<const int> owner_of_slot, int rank,
                                                      std::size_t length, std::unique_ptr<sparse_link> link) {
    return std::make_unique<sparse_sum>(owner_of_slot, rank, length, std::move(link));
}

} // namespace feddip::fl
