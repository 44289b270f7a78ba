#include "base/random.hpp"
#include "comm/sparse_collectives.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using feddip::comm::masked_piece;
using feddip::comm::pieces_of;
using feddip::sparse::mask;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(pieces, of_a_small_mask_are_one) {
    mask m(200, false);
    m.set(3, true);
    m.set(199, true);

    EXPECT_THAT(pieces_of(m, 10), ElementsAre(masked_piece{0, 4, 2}));
}

TEST(pieces, end_where_they_are_full_and_leave_out_the_dead_end) {
    mask m(64 * 6, false);
    for (const std::size_t i : {0U, 1U, 70U, 130U, 131U, 132U}) {
        m.set(i, true);
    }

    EXPECT_THAT(pieces_of(m, 3), ElementsAre(masked_piece{0, 2, 3}, masked_piece{2, 3, 3}));
    EXPECT_THAT(pieces_of(mask(1000, false), 3), IsEmpty());
    EXPECT_THAT(pieces_of(mask(0, false), 3), IsEmpty());
}

TEST(pieces, cover_all_values_in_order_and_are_bounded) {
    mask m(100'003, false);
    feddip::random_stream random(1, 0, 0, feddip::purpose::test);
    for (std::size_t i = 0; i < m.size(); ++i) {
        m.set(i, random.below(3) == 0);
    }
    std::size_t values = 0;
    std::size_t next_word = 0;
    for (const masked_piece& p : pieces_of(m, 500)) {
        EXPECT_EQ(p.first_word, next_word);
        EXPECT_EQ(p.values,
                  m.count(p.first_word * 64, std::min(p.last_word * 64, m.size()) - p.first_word * 64));
        EXPECT_LE(p.values, 563U);
        next_word = p.last_word;
        values += p.values;
    }
    EXPECT_EQ(values, m.count());
}

} // namespace
