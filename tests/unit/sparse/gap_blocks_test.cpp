#include "base/error.hpp"
#include "base/random.hpp"
#include "sparse/gap_blocks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace {

using namespace feddip::sparse;

feddip::random_stream test_stream(std::uint32_t number) {
    return {6, number, 0, feddip::purpose::test};
}

// A population in a bitmap, with bits of both kinds around it.
struct population {
    std::vector<std::uint64_t> words;
    std::size_t first, positions, marked = 0;

    population(std::size_t first_bit, std::size_t size, double density, feddip::random_stream& random)
        : words((first_bit + size) / 64 + 2, 0x5555'5555'5555'5555U), first(first_bit), positions(size) {
        for (std::size_t i = 0; i < size; ++i) {
            set(i, marked < size / 2 && random.uniform() < density);
        }
        if (marked == 0) {
            set(size - 1, true);
        }
    }

    void set(std::size_t i, bool alive) {
        const std::uint64_t bit = std::uint64_t{1} << (first + i) % 64;
        std::uint64_t& word = words[(first + i) / 64];
        word = alive ? word | bit : word & ~bit;
        marked += alive ? 1 : 0;
    }

    std::vector<std::uint64_t> without_marks() const {
        population empty = *this;
        for (std::size_t i = 0; i < positions; ++i) {
            empty.set(i, false);
        }
        return empty.words;
    }
};

std::vector<std::byte> coded(const population& p, const block_kernels& kernels) {
    std::vector<std::byte> bytes;
    put_blocks(p.words, p.first, p.positions, true, p.marked, bytes, kernels);
    return bytes;
}

// The words with the marks, and how many bytes are left; nothing where the bytes are refused.
using outcome = std::optional<std::pair<std::vector<std::uint64_t>, std::size_t>>;

outcome decoded(const population& p, std::span<const std::byte> bytes, const block_kernels& kernels) {
    std::vector<std::uint64_t> words = p.without_marks();
    try {
        const auto rest = take_blocks(bytes, words, p.first, p.positions, p.marked, kernels);
        return std::pair(words, rest.size());
    } catch (const feddip::error&) {
        return std::nullopt;
    }
}

TEST(gap_blocks, come_back_and_are_the_same_bytes_from_all_kernels) {
    auto random = test_stream(0);
    for (const std::size_t size : {2, 3, 16, 17, 33, 64, 1000, 10'007, 300'001}) {
        for (const double density : {0.0, 0.00003, 0.0005, 0.003, 0.02, 0.05, 0.1, 0.3, 0.5}) {
            for (const std::size_t first : {0, 1, 63}) {
                const population p(first, size, density, random);
                const auto bytes = coded(p, best_block_kernels());
                ASSERT_EQ(bytes, coded(p, plain_block_kernels())) << size << " " << density << " " << first;
                const outcome expected(std::pair(p.words, std::size_t{0}));
                ASSERT_EQ(decoded(p, bytes, best_block_kernels()), expected) << size << " " << density;
                ASSERT_EQ(decoded(p, bytes, plain_block_kernels()), expected) << size << " " << density;
            }
        }
    }
}

TEST(gap_blocks, several_blocks_come_back) {
    auto random = test_stream(1);
    const population p(5, 1'200'003, 0.47, random);
    ASSERT_GT(p.marked, std::size_t{1} << 19); // three blocks
    auto bytes = coded(p, best_block_kernels());
    ASSERT_EQ(bytes, coded(p, plain_block_kernels()));
    bytes.resize(bytes.size() + 7);

    EXPECT_EQ(decoded(p, bytes, best_block_kernels()), outcome(std::pair(p.words, std::size_t{7})));
    EXPECT_EQ(decoded(p, bytes, plain_block_kernels()), outcome(std::pair(p.words, std::size_t{7})));
}

TEST(gap_blocks, dead_ones_are_marked_as_well) {
    auto random = test_stream(2);
    population p(9, 5'000, 0.1, random);
    std::vector<std::uint64_t> flipped = p.words;
    for (std::uint64_t& word : flipped) {
        word = ~word;
    }
    std::vector<std::byte> bytes;

    put_blocks(flipped, p.first, p.positions, false, p.marked, bytes);

    EXPECT_EQ(bytes, coded(p, plain_block_kernels()));
}

TEST(gap_blocks, long_gaps_and_dense_clusters_come_back) {
    auto random = test_stream(3);
    population p(0, 400'000, 0, random);
    for (std::size_t i = 0; i < 9'000; ++i) {
        p.set(i < 8'000 ? 50 + i : 20 * i, true);
    }
    for (const auto* kernels : {&plain_block_kernels(), &best_block_kernels()}) {
        const auto bytes = coded(p, *kernels);
        EXPECT_EQ(decoded(p, bytes, *kernels), outcome(std::pair(p.words, std::size_t{0})));
    }
}

TEST(gap_blocks, every_truncation_is_an_error) {
    auto random = test_stream(4);
    const population p(3, 20'000, 0.04, random);
    const auto bytes = coded(p, best_block_kernels());
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        ASSERT_FALSE(decoded(p, std::span(bytes).first(length), best_block_kernels())) << length;
        ASSERT_FALSE(decoded(p, std::span(bytes).first(length), plain_block_kernels())) << length;
    }
}

// Whatever comes: an error, or bits within the population, and the same from all kernels.
TEST(gap_blocks, damaged_bytes_never_do_harm) {
    auto random = test_stream(5);
    const population p(3, 9'000, 0.05, random);
    const population sparse(0, 90'000, 0.002, random);
    const auto code = coded(p, best_block_kernels());
    const auto sparse_code = coded(sparse, best_block_kernels());
    const int trials = 5'000;
    int refused = 0;
    for (int trial = 0; trial < trials; ++trial) {
        const population& of = trial % 2 == 0 ? p : sparse;
        std::vector<std::byte> bytes = trial % 2 == 0 ? code : sparse_code;
        for (std::uint32_t changes = 1 + random.below(4); changes > 0; --changes) {
            bytes[random.below(static_cast<std::uint32_t>(bytes.size()))] = static_cast<std::byte>(random());
        }
        if (random.below(4) == 0) {
            bytes.resize(random.below(static_cast<std::uint32_t>(2 * bytes.size())));
        }
        const outcome fast = decoded(of, bytes, best_block_kernels());
        ASSERT_EQ(fast, decoded(of, bytes, plain_block_kernels())) << trial;
        refused += fast ? 0 : 1;
        if (fast) {
            population inside = of;
            inside.words = fast->first;
            ASSERT_EQ(inside.without_marks(), of.without_marks()) << trial;
        }
    }
    EXPECT_GT(refused, trials * 3 / 4); // a changed offset is another mark, and nothing else
}

} // namespace
