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

} // namespace
} // namespace feddip::io
