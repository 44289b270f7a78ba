#include "base/random.hpp"
#include "sparse/packed_bits.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

using namespace feddip::sparse;

std::uint64_t random_word(double density, feddip::random_stream& random) {
    std::uint64_t word = 0;
    for (unsigned bit = 0; bit < 64; ++bit) {
        word |= std::uint64_t{random.uniform() < density} << bit;
    }
    return word;
}

TEST(packed_bits, are_those_at_the_members_and_come_back) {
    const std::vector<std::uint64_t> bits{0b1010'1100, 0b0110}, members{0b1111'0000, 0b0101};
    std::vector<std::uint64_t> packed(2), back(2);

    EXPECT_EQ(pack_bits_plain(bits, members, packed, 0), 6U);
    EXPECT_EQ(packed[0], 0b101010U); // 1010 from the first word, then 10
    EXPECT_EQ(unpack_bits_plain(packed, 0, members, back), 6U);
    EXPECT_EQ(back, (std::vector<std::uint64_t>{0b1010'0000, 0b0100}));
}

TEST(packed_bits, are_the_same_with_and_without_instructions_for_it) {
    feddip::random_stream random(1, 0, 0, feddip::purpose::test);
    for (const double density : {0.0, 0.05, 0.5, 0.95, 1.0}) {
        for (const std::size_t words : {0, 1, 2, 65}) {
            std::vector<std::uint64_t> bits, members;
            for (std::size_t w = 0; w < words; ++w) {
                bits.push_back(random_word(0.3, random));
                members.push_back(random_word(density, random));
            }
            std::vector<std::uint64_t> packed(words + 3), packed_plainly(words + 3), back(words),
                back_plainly(words);
            const std::size_t at = random.below(65);

            EXPECT_EQ(pack_bits(bits, members, packed, at),
                      pack_bits_plain(bits, members, packed_plainly, at));
            EXPECT_EQ(packed, packed_plainly);
            EXPECT_EQ(unpack_bits(packed, at, members, back),
                      unpack_bits_plain(packed, at, members, back_plainly));
            EXPECT_EQ(back, back_plainly);
            for (std::size_t w = 0; w < words; ++w) {
                EXPECT_EQ(back[w], bits[w] & members[w]);
            }
        }
    }
}

} // namespace
