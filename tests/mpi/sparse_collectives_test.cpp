#include "base/random.hpp"
#include "comm/mpi_transport.hpp"
#include "comm/sparse_collectives.hpp"
#include "mpi/independent_count.hpp"
#include "sparse/start.hpp"
#include "unit/sparse/layouts.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace {

using feddip::random_stream;
using feddip::comm::communicator;
using feddip::comm::masked_exchange;
using feddip::sparse::mask;
using feddip::sparse::sparse_vector;

const feddip::parameter_layout layout = feddip::test::lenet5_weights();

mask mask_of(std::uint32_t number, double density) {
    random_stream random(4, number, 0, feddip::purpose::test);
    return feddip::sparse::random_mask(layout, std::vector<double>(layout.weights().size(), density), random);
}

// Of magnitudes so unequal that the order of a sum shows.
std::vector<float> values_of(int rank, std::size_t length) {
    random_stream random(4, 0, static_cast<std::uint32_t>(rank), feddip::purpose::test);
    std::vector<float> values(length);
    for (float& v : values) {
        v = std::ldexp(random.uniform() - 0.5F, static_cast<int>(random.below(40)));
    }
    return values;
}

// What fl's tree gives for one slot per rank.
std::vector<float> tree_sum(communicator& c, const std::vector<float>& mine) {
    feddip::comm::mpi_transport transport{communicator(c.handle())};
    std::vector<int> owners(static_cast<std::size_t>(c.size()));
    std::iota(owners.begin(), owners.end(), 0);
    const auto sum = transport.start_sum(owners, mine.size());
    sum->add(c.rank(), mine);
    const auto result = sum->finish();
    return {result.begin(), result.end()};
}

TEST(masked_exchange, broadcasts_what_is_alive_and_touches_nothing_else) {
    auto c = communicator::world();
    for (const double density : {0.0, 0.05, 1.0}) {
        const mask m = mask_of(1, density);
        const int root = c.size() - 1;
        std::vector<float> vector = values_of(c.rank(), m.size());

        masked_exchange(m, 100).broadcast(c, root, vector);

        const std::vector<float> of_root = values_of(root, m.size());
        const std::vector<float> mine = values_of(c.rank(), m.size());
        for (std::size_t i = 0; i < m.size(); ++i) {
            ASSERT_EQ(vector[i], m[i] ? of_root[i] : mine[i]) << i;
        }
    }
}

TEST(masked_exchange, sums_what_is_alive_in_the_order_of_the_tree) {
    auto c = communicator::world();
    const mask m = mask_of(1, 0.05);
    const std::vector<float> mine = values_of(c.rank(), m.size());
    const std::vector<float> expected = tree_sum(c, mine);
    const masked_exchange exchange(m, 100);

    for (int time = 0; time < 2; ++time) {
        std::vector<float> vector = mine;
        exchange.sum(c, vector);

        for (std::size_t i = 0; i < m.size(); ++i) {
            ASSERT_EQ(vector[i], c.rank() == 0 && m[i] ? expected[i] : mine[i]) << i;
        }
    }
}

TEST(masked_exchange, hands_only_alive_values_to_mpi) {
    auto c = communicator::world();
    const mask m = mask_of(1, 0.05);
    std::vector<float> vector(m.size());
    const masked_exchange exchange(m);
    const std::uint64_t value_bytes = m.count() * sizeof(float);

    std::uint64_t before = feddip::test::bytes_handed_to_mpi();
    exchange.broadcast(c, 0, vector);
    EXPECT_EQ(feddip::test::bytes_handed_to_mpi() - before, c.rank() == 0 ? value_bytes : 0U);

    before = feddip::test::bytes_handed_to_mpi();
    exchange.sum(c, vector);
    EXPECT_EQ(feddip::test::bytes_handed_to_mpi() - before, c.rank() == 0 ? 0U : value_bytes);
    EXPECT_EQ(c.bytes_sent(), value_bytes);
}

TEST(sparse_collectives, packed_values_are_broadcast_and_summed_in_the_order_of_the_tree) {
    auto c = communicator::world();
    const std::size_t length = masked_exchange::values_per_piece + 1001;
    const std::vector<float> mine = values_of(c.rank(), length);
    const std::vector<float> expected = tree_sum(c, mine);

    std::vector<float> values = mine;
    sum_values(c, values);
    EXPECT_EQ(values, c.rank() == 0 ? expected : mine);

    values = mine;
    broadcast_values(c, c.size() - 1, values);
    EXPECT_EQ(values, values_of(c.size() - 1, length));
}

TEST(sparse_collectives, a_new_mask_reaches_all_ranks_fresh_or_as_a_difference) {
    auto c = communicator::world();
    const mask base = mask_of(1, 0.05);
    mask next = base;
    for (std::size_t i = 0; i < next.size(); i += 1000) {
        next.set(i, !next[i]);
    }
    for (const mask* held : {static_cast<const mask*>(nullptr), &base}) {
        mask m = c.rank() == 0 ? next : mask_of(2, 0.5);
        broadcast_mask(c, 0, layout, held, m);
        EXPECT_EQ(m, next);
    }
}

TEST(sparse_collectives, a_sum_over_the_union_is_that_of_the_dense_vectors) {
    auto c = communicator::world();
    const mask m = mask_of(10 + static_cast<std::uint32_t>(c.rank()), 0.1);
    std::vector<float> dense = values_of(c.rank(), m.size());
    feddip::sparse::apply(m, std::span(dense));
    sparse_vector mine{m, std::vector<float>(m.count())};
    pack(m, dense, mine.values);
    const std::vector<float> expected = tree_sum(c, dense);

    const sparse_vector sum = sum_over_union(c, layout, nullptr, mine);

    if (c.rank() != 0) {
        EXPECT_EQ(sum.support.count(), 0U);
        return;
    }
    for (int rank = 0; rank < c.size(); ++rank) {
        const mask other = mask_of(10 + static_cast<std::uint32_t>(rank), 0.1);
        other.for_each_alive([&](std::size_t i) { ASSERT_TRUE(sum.support[i]); });
    }
    std::vector<float> unpacked(m.size());
    unpack(sum.support, sum.values, unpacked);
    EXPECT_EQ(unpacked, expected);
}

} // namespace
