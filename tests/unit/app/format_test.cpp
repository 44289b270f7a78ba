#include "app/format.hpp"

#include <gtest/gtest.h>

namespace feddip::app {
namespace {

TEST(Format, BytesHaveThreeDigitsAndAUnit) {
    EXPECT_EQ(format_bytes(0), "0 B");
    EXPECT_EQ(format_bytes(999), "999 B");
    EXPECT_EQ(format_bytes(1000), "1.00 kB");
    EXPECT_EQ(format_bytes(1'234'567), "1.23 MB");
    EXPECT_EQ(format_bytes(45'678'900), "45.7 MB");
    EXPECT_EQ(format_bytes(999'900'000), "1.00 GB"); // never "1000 MB"
}

TEST(Format, CountsHaveNoUnitButAScale) {
    EXPECT_EQ(format_count(617), "617");
    EXPECT_EQ(format_count(61'706), "61.7 k");
    EXPECT_EQ(format_count(23'272'266), "23.3 M");
}

TEST(Format, DurationsNameTheUnitsThatMatter) {
    EXPECT_EQ(format_duration(0.424), "0.42 s");
    EXPECT_EQ(format_duration(2.5), "2.5 s");
    EXPECT_EQ(format_duration(59.4), "59 s");
    EXPECT_EQ(format_duration(59.6), "1 min 00 s");
    EXPECT_EQ(format_duration(200), "3 min 20 s");
    EXPECT_EQ(format_duration(7500), "2 h 05 min");
}

} // namespace
} // namespace feddip::app
