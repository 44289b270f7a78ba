#include "comm/chunks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>
#include <cstdint>

namespace {

using feddip::comm::chunk;
using feddip::comm::chunks_of;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(chunks, nothing_has_no_chunks) {
    EXPECT_THAT(chunks_of(0, 10), IsEmpty());
}

TEST(chunks, the_last_one_may_be_shorter) {
    EXPECT_THAT(chunks_of(10, 5), ElementsAre(chunk{0, 5}, chunk{5, 5}));
    EXPECT_THAT(chunks_of(11, 5), ElementsAre(chunk{0, 5}, chunk{5, 5}, chunk{10, 1}));
    EXPECT_THAT(chunks_of(4, 5), ElementsAre(chunk{0, 4}));
}

TEST(chunks, more_than_an_int_can_count_is_covered_without_gaps_in_ints) {
    const std::uint64_t total = (std::uint64_t{5} << 32) + 7;
    std::uint64_t covered = 0;
    for (const chunk& c : chunks_of(total, std::size_t{1} << 30)) {
        EXPECT_EQ(c.offset, covered);
        EXPECT_LE(c.length, static_cast<std::size_t>(INT_MAX));
        covered += c.length;
    }
    EXPECT_EQ(covered, total);
}

} // namespace
