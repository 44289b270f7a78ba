#include "app/resume.hpp"
#include "base/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace feddip::app {
namespace {

using texts = std::vector<std::string>;

TEST(CommonChecksum, IsThatOfTheRanksThatHaveReadTheData) {
    EXPECT_EQ(common_checksum(texts{"12", "", "12", ""}, texts{"a", "a", "b", "b"}), "12");
    EXPECT_EQ(common_checksum(texts{"", ""}, texts{"a", "b"}), "") << "of data that need none";
}

TEST(CommonChecksum, IsRefusedWhereAMachineHasOtherData) {
    try {
        common_checksum(texts{"12", "", "34", ""}, texts{"a", "a", "b", "b"});
        FAIL();
    } catch (const input_error& e) {
        EXPECT_THAT(e.what(), testing::HasSubstr("other data on another machine (b)"));
        EXPECT_THAT(e.what(), testing::HasSubstr("34 there and 12 on a"));
    }
}

} // namespace
} // namespace feddip::app
