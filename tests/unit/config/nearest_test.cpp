#include "config/nearest.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace feddip::config {
namespace {

TEST(edit_distance, counts_single_changes) {
    EXPECT_EQ(edit_distance("rounds", "rounds"), 0U);
    EXPECT_EQ(edit_distance("round", "rounds"), 1U);   // insertion
    EXPECT_EQ(edit_distance("roundss", "rounds"), 1U); // deletion
    EXPECT_EQ(edit_distance("roands", "rounds"), 1U);  // substitution
    EXPECT_EQ(edit_distance("ruonds", "rounds"), 1U);  // swap
    EXPECT_EQ(edit_distance("", "rounds"), 6U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(edit_distance, is_symmetric) {
    EXPECT_EQ(edit_distance("target", "start"), edit_distance("start", "target"));
}

TEST(nearest, takes_the_first_of_the_nearest) {
    constexpr std::array<std::string_view, 3> words = {"cat", "bat", "horse"};

    EXPECT_EQ(nearest("rat", words), "cat");
    EXPECT_EQ(nearest("hrose", words), "horse");
    EXPECT_EQ(nearest("", words), "cat");
}

TEST(nearest, prefers_words_that_have_in_them_what_was_typed) {
    const std::vector<std::string_view> words{"rounds", "local_epochs", "seed"};
    EXPECT_EQ(nearest("epochs", words), "local_epochs");
    EXPECT_EQ(nearest("ed", words), "seed") << "two letters say little";
}

TEST(nearest, does_not_choke_on_a_very_long_word) {
    constexpr std::array<std::string_view, 2> words = {"cat", "horse"};

    EXPECT_EQ(nearest(std::string(1'000'000, 'x'), words), "cat");
}

} // namespace
} // namespace feddip::config
