#include "base/random.hpp"
#include "sparse/positions.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

using feddip::sparse::position_stream;

std::vector<std::uint64_t> bitmap(std::size_t bits, double density, feddip::random_stream& random) {
    std::vector<std::uint64_t> words((bits + 63) / 64);
    for (std::size_t i = 0; i < bits; ++i) {
        words[i / 64] |= std::uint64_t{random.uniform() < density} << i % 64;
    }
    return words;
}

TEST(positions, are_those_of_the_bits_one_by_one) {
    feddip::random_stream random(1, 0, 0, feddip::purpose::test);
    for (const double density : {0.0, 0.003, 0.02, 0.05, 0.1, 0.2, 0.5, 0.97, 1.0}) {
        const std::vector<std::uint64_t> words = bitmap(20'000, density, random);
        for (const std::size_t first : {0, 1, 63, 64, 130}) {
            for (const std::size_t size : {0, 1, 2, 62, 64, 65, 127, 9'000, 19'870}) {
                for (const bool wanted : {true, false}) {
                    std::vector<std::uint32_t> expected;
                    for (std::size_t i = 0; i < size; ++i) {
                        if (((words[(first + i) / 64] >> (first + i) % 64 & 1U) != 0) == wanted) {
                            expected.push_back(static_cast<std::uint32_t>(i));
                        }
                    }
                    std::vector<std::uint32_t> found, some(64 + random.below(500));
                    position_stream stream(words, first, size, wanted);
                    while (const std::size_t taken = stream.take(some)) {
                        found.insert(found.end(), some.begin(),
                                     some.begin() + static_cast<std::ptrdiff_t>(taken));
                    }
                    ASSERT_EQ(found, expected) << density << " " << first << " " << size << " " << wanted;
                }
            }
        }
    }
}

TEST(positions, come_by_words_when_asked) {
    feddip::random_stream random(1, 1, 0, feddip::purpose::test);
    const std::vector<std::uint64_t> words = bitmap(1000, 0.3, random);
    position_stream all(words, 0, 1000), by_words(words, 0, 1000);
    std::vector<std::uint32_t> expected(1064), some(64 * 4 + 64);
    expected.resize(all.take(expected));

    std::vector<std::uint32_t> found;
    for (std::uint32_t end = 256; end < 1256; end += 256) {
        const std::size_t taken = by_words.take(some, 4);
        for (std::size_t i = 0; i < taken; ++i) {
            EXPECT_LT(some[i], end);
            EXPECT_GE(some[i] + 256, end);
            found.push_back(some[i]);
        }
    }

    EXPECT_EQ(found, expected);
}

} // namespace
