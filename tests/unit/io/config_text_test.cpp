#include "io/config_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace feddip::io {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(config_keys, joins_section_and_key) {
    EXPECT_THAT(config_keys("[data]\ndataset = \"cifar-10\"\n\n[federation]\n# rounds\nrounds=7\n"),
                ElementsAre(Pair("data.dataset", "\"cifar-10\""), Pair("federation.rounds", "7")));
}

TEST(config_keys, of_nothing_are_none) {
    EXPECT_THAT(config_keys(""), IsEmpty());
}

TEST(config_keys, keep_equals_signs_in_values) {
    EXPECT_THAT(config_keys("[data]\npath = \"a=b\"\n"), ElementsAre(Pair("data.path", "\"a=b\"")));
}

TEST(config_differences, names_each_key_with_both_values) {
    const std::string before = "[federation]\nseed = 1\nrounds = 10\n";
    const std::string now = "[federation]\nseed = 2\nrounds = 10\nbatch_size = 64\n";
    EXPECT_THAT(config_differences(before, now),
                ElementsAre("federation.batch_size is not set in the checkpoint and 64 now",
                            "federation.seed is 1 in the checkpoint and 2 now"));
}

TEST(config_differences, ignores_keys_that_leave_results_alone) {
    const std::string before = "[data]\npath = \"\"\n[checkpoint]\nkeep = 2\n[output]\npath = \"\"\n";
    const std::string now = "[data]\npath = \"elsewhere\"\n[checkpoint]\nkeep = 9\n[output]\npath = \"x\"\n";
    EXPECT_TRUE(config_differences(before, now).empty());
}

TEST(config_differences, counts_threads_and_communication) {
    const std::string before = "[communication]\nupload = \"sparse\"\n[compute]\nthreads = 1\n";
    const std::string now = "[communication]\nupload = \"dense\"\n[compute]\nthreads = 2\n";
    EXPECT_EQ(config_differences(before, now).size(), 2U);
}

} // namespace
} // namespace feddip::io
