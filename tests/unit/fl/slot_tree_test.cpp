#include "base/error.hpp"
#include "base/random.hpp"
#include "fl/in_process_transport.hpp"
#include "fl/slot_tree.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

using feddip::random_stream;
using feddip::fl::in_process_transport;
using feddip::fl::slot_step;
using feddip::fl::slot_tree_steps;
using testing::ElementsAre;
using kind = slot_step::kind;

// The tree as text, "((0+1)+2)", and what became of the ranks that built it.
struct symbolic_sum {
    std::string at_rank_0;
    bool everybody_finished = true;
    std::size_t deepest_stack = 0;
    std::size_t most_sends = 0;    // of one rank
    std::size_t most_receives = 0; // of one rank
};

// All ranks carry out their steps in order, with strings for vectors; a receive waits for its message.
symbolic_sum build(const std::vector<int>& owners, int ranks) {
    struct rank_state {
        std::vector<slot_step> steps;
        std::size_t next = 0, sends = 0, receives = 0;
        std::vector<std::string> stack;
    };
    std::vector<rank_state> all(static_cast<std::size_t>(ranks));
    for (int r = 0; r < ranks; ++r) {
        all[static_cast<std::size_t>(r)].steps = slot_tree_steps(owners, r);
    }
    std::map<std::pair<int, int>, std::deque<std::string>> under_way; // by sender and receiver
    symbolic_sum result;

    const auto step = [&](int rank) {
        rank_state& r = all[static_cast<std::size_t>(rank)];
        if (r.next == r.steps.size()) {
            return false;
        }
        const slot_step s = r.steps[r.next];
        const auto pop = [&] {
            std::string top = r.stack.back();
            r.stack.pop_back();
            return top;
        };
        if (s.what == kind::leaf) {
            r.stack.push_back(std::to_string(s.number));
        } else if (s.what == kind::merge) {
            const std::string right = pop();
            r.stack.back() = "(" + r.stack.back() + "+" + right + ")";
        } else if (s.what == kind::send) {
            under_way[{rank, s.number}].push_back(pop());
            ++r.sends;
        } else {
            auto& messages = under_way[{s.number, rank}];
            if (messages.empty()) {
                return false;
            }
            const std::string message = messages.front();
            messages.pop_front();
            ++r.receives;
            if (s.what == kind::receive) {
                r.stack.push_back(message);
            } else {
                r.stack.back() = "(" + r.stack.back() + "+" + message + ")";
            }
        }
        ++r.next;
        result.deepest_stack = std::max(result.deepest_stack, r.stack.size());
        return true;
    };
    for (bool progress = true; progress;) {
        progress = false;
        for (int r = 0; r < ranks; ++r) {
            progress = step(r) || progress;
        }
    }

    for (int r = 0; r < ranks; ++r) {
        const rank_state& state = all[static_cast<std::size_t>(r)];
        result.everybody_finished = result.everybody_finished && state.next == state.steps.size() &&
                                    state.stack.size() == (r == 0 && !owners.empty() ? 1U : 0U);
        result.most_sends = std::max(result.most_sends, state.sends);
        result.most_receives = std::max(result.most_receives, state.receives);
    }
    result.at_rank_0 = all[0].stack.empty() ? "" : all[0].stack.front();
    return result;
}

// What transport.hpp promises, written down directly.
std::string tree(std::size_t first, std::size_t width, std::size_t slots) {
    if (width == 1) {
        return std::to_string(first);
    }
    const std::string left = tree(first, width / 2, slots);
    return first + width / 2 < slots ? "(" + left + "+" + tree(first + width / 2, width / 2, slots) + ")"
                                     : left;
}

std::size_t levels(std::size_t slots) {
    return static_cast<std::size_t>(std::bit_width(slots - 1));
}

TEST(slot_tree, five_slots_on_three_ranks_go_as_drawn) {
    const std::vector<int> owners{0, 0, 1, 2, 1};

    EXPECT_THAT(slot_tree_steps(owners, 0),
                ElementsAre(slot_step{kind::leaf, 0}, slot_step{kind::leaf, 1}, slot_step{kind::merge, 0},
                            slot_step{kind::receive_and_add, 1}, slot_step{kind::receive_and_add, 1}));
    EXPECT_THAT(slot_tree_steps(owners, 1),
                ElementsAre(slot_step{kind::leaf, 2}, slot_step{kind::receive_and_add, 2},
                            slot_step{kind::send, 0}, slot_step{kind::leaf, 4}, slot_step{kind::send, 0}));
    EXPECT_THAT(slot_tree_steps(owners, 2), ElementsAre(slot_step{kind::leaf, 3}, slot_step{kind::send, 1}));
    EXPECT_EQ(build(owners, 3).at_rank_0, "(((0+1)+(2+3))+4)");
}

TEST(slot_tree, every_placement_of_few_slots_gives_the_same_sum_and_ends) {
    for (int ranks = 1; ranks <= 4; ++ranks) {
        for (std::size_t slots = 1; slots <= 6; ++slots) {
            std::vector<int> owners(slots, 0);
            for (bool more = true; more;) {
                const symbolic_sum sum = build(owners, ranks);
                ASSERT_TRUE(sum.everybody_finished) << testing::PrintToString(owners);
                ASSERT_EQ(sum.at_rank_0, tree(0, std::bit_ceil(slots), slots));
                std::size_t digit = 0;
                while (digit < slots && ++owners[digit] == ranks) {
                    owners[digit++] = 0;
                }
                more = digit < slots;
            }
        }
    }
}

TEST(slot_tree, memory_grows_with_the_logarithm_of_the_slots_for_any_placement) {
    random_stream random(3, 0, 0, feddip::purpose::test);
    for (const std::size_t slots : {7U, 50U, 64U, 1000U}) {
        for (const int ranks : {1, 2, 5, 64}) {
            std::vector<int> owners(slots);
            std::ranges::generate(
                owners, [&] { return static_cast<int>(random.below(static_cast<std::uint32_t>(ranks))); });

            const symbolic_sum sum = build(owners, ranks);

            EXPECT_TRUE(sum.everybody_finished);
            EXPECT_EQ(sum.at_rank_0, tree(0, std::bit_ceil(slots), slots));
            EXPECT_LE(sum.deepest_stack, levels(slots) + 1);
        }
    }
}

TEST(slot_tree, traffic_of_a_rank_grows_with_the_logarithm_of_the_slots_where_owners_ascend) {
    for (const std::size_t slots : {5U, 64U, 1000U}) {
        for (const int ranks : {2, 3, 64}) {
            std::vector<int> owners(slots);
            for (std::size_t s = 0; s < slots; ++s) {
                owners[s] = static_cast<int>(s * static_cast<std::size_t>(ranks) / slots);
            }

            const symbolic_sum sum = build(owners, ranks);

            EXPECT_LE(sum.most_sends, levels(slots));
            EXPECT_LE(sum.most_receives, levels(slots));
        }
    }
}

TEST(slot_tree, a_root_owned_elsewhere_goes_to_rank_0) {
    EXPECT_THAT(slot_tree_steps(std::vector{2, 2}, 0), ElementsAre(slot_step{kind::receive, 2}));
    EXPECT_TRUE(slot_tree_steps(std::vector{2, 2}, 1).empty());
    EXPECT_EQ(build({2, 1}, 3).at_rank_0, "(0+1)");
}

TEST(in_process_transport, adds_in_the_order_of_the_tree) {
    in_process_transport transport;
    const std::vector<float> values{1e8F, 1.0F, -1e8F, 1.0F, 3.0F};
    const auto sum = transport.start_sum(std::vector<int>(5, 0), 1);

    for (int slot = 0; slot < 5; ++slot) {
        sum->add(slot, std::span(values).subspan(static_cast<std::size_t>(slot), 1));
    }

    const float expected = ((values[0] + values[1]) + (values[2] + values[3])) + values[4];
    EXPECT_THAT(sum->finish(), ElementsAre(expected));
}

TEST(in_process_transport, a_sum_refuses_slots_out_of_turn_missing_or_of_another_length) {
    in_process_transport transport;
    const std::vector<float> values(4);

    EXPECT_THROW(transport.start_sum(std::vector{0, 1}, 4), feddip::error);
    EXPECT_THROW(transport.start_sum(std::vector{0, 0}, 4)->add(1, values), feddip::error);
    EXPECT_THROW(transport.start_sum(std::vector{0, 0}, 5)->add(0, values), feddip::error);
    EXPECT_THROW(transport.start_sum(std::vector{0, 0}, 4)->finish(), feddip::error);
    const auto sum = transport.start_sum(std::vector{0}, 4);
    sum->add(0, values);
    EXPECT_THROW(sum->add(0, values), feddip::error);
}

} // namespace
