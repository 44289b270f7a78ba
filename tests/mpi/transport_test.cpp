#include "base/random.hpp"
#include "comm/mpi_transport.hpp"
#include "fl/in_process_transport.hpp"
#include "sparse/start.hpp"
#include "unit/sparse/layouts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using feddip::purpose;
using feddip::random_stream;
using feddip::comm::communicator;
using feddip::comm::mpi_transport;

// Values whose sum depends on the order in which they are added.
std::vector<float> vector_of_slot(int slot, std::size_t length) {
    random_stream random(7, 0, static_cast<std::uint32_t>(slot), purpose::test);
    std::vector<float> values(length);
    for (float& v : values) {
        v = (random.uniform() - 0.5F) * std::ldexp(1.0F, static_cast<int>(random.below(40)) - 20);
    }
    return values;
}

std::vector<float> sum_over(feddip::fl::transport& transport, const std::vector<int>& owners,
                            std::size_t length) {
    const auto sum = transport.start_sum(owners, length);
    for (std::size_t slot = 0; slot < owners.size(); ++slot) {
        if (owners[slot] == transport.rank()) {
            sum->add(static_cast<int>(slot), vector_of_slot(static_cast<int>(slot), length));
        }
    }
    const auto result = sum->finish();
    return {result.begin(), result.end()};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return std::ranges::equal(
        a, b, {}, [](float v) { return std::bit_cast<std::uint32_t>(v); },
        [](float v) { return std::bit_cast<std::uint32_t>(v); });
}

// Placements of `slots` slots on `ranks` ranks: contiguous blocks, dealt in turn, backwards, all at the last
// rank, and at random.
std::vector<std::vector<int>> placements(int slots, int ranks) {
    std::vector<std::vector<int>> all(5, std::vector<int>(static_cast<std::size_t>(slots)));
    random_stream random(11, 0, static_cast<std::uint32_t>(slots), purpose::test);
    for (int s = 0; s < slots; ++s) {
        const auto i = static_cast<std::size_t>(s);
        all[0][i] = s * ranks / slots;
        all[1][i] = s % ranks;
        all[2][i] = (slots - 1 - s) * ranks / slots;
        all[3][i] = ranks - 1;
        all[4][i] = static_cast<int>(random.below(static_cast<std::uint32_t>(ranks)));
    }
    return all;
}

TEST(mpi_transport, sums_have_the_bits_of_one_rank_for_any_placement) {
    mpi_transport transport(communicator::world());
    feddip::fl::in_process_transport alone;

    for (const int slots : {1, 2, 3, 5, 8, 13}) {
        // Longer than one piece on the wire, and not a multiple of it.
        const std::size_t length = slots == 5 ? 600'001 : 1'001;
        const std::vector<float> expected =
            sum_over(alone, std::vector<int>(static_cast<std::size_t>(slots), 0), length);
        for (const std::vector<int>& owners : placements(slots, transport.size())) {
            const std::vector<float> sum = sum_over(transport, owners, length);
            if (transport.rank() == 0) {
                EXPECT_TRUE(same_bits(sum, expected)) << slots << " slots";
            } else {
                EXPECT_TRUE(sum.empty());
            }
        }
    }
}

TEST(mpi_transport, a_sum_of_no_slots_is_zero) {
    mpi_transport transport(communicator::world());

    const std::vector<float> sum = sum_over(transport, {}, 3);

    EXPECT_EQ(sum, transport.rank() == 0 ? std::vector<float>(3) : std::vector<float>());
}

TEST(mpi_transport, empty_vectors_can_be_summed) {
    mpi_transport transport(communicator::world());

    EXPECT_TRUE(sum_over(transport, {transport.size() - 1, 0}, 0).empty());
}

// A tenth of the weights, other ones in each slot, with values of `vector_of_slot`.
feddip::sparse::sparse_vector sparse_vector_of_slot(int slot, const feddip::parameter_layout& layout) {
    random_stream random(8, 0, static_cast<std::uint32_t>(slot), purpose::test);
    const std::vector<double> densities(layout.weights().size(), 0.1);
    feddip::sparse::sparse_vector v{feddip::sparse::random_mask(layout, densities, random), {}};
    v.values = vector_of_slot(slot, v.support.count());
    return v;
}

feddip::sparse::sparse_vector sparse_sum_over(feddip::fl::transport& transport,
                                              const std::vector<int>& owners,
                                              const feddip::parameter_layout& layout,
                                              const feddip::sparse::mask* base) {
    const auto sum = transport.start_sparse_sum(owners, layout, base);
    for (std::size_t slot = 0; slot < owners.size(); ++slot) {
        if (owners[slot] == transport.rank()) {
            sum->add(static_cast<int>(slot), sparse_vector_of_slot(static_cast<int>(slot), layout));
        }
    }
    return sum->finish();
}

TEST(mpi_transport, sparse_sums_over_differing_supports_have_the_bits_of_one_rank_for_any_placement) {
    mpi_transport transport(communicator::world());
    feddip::fl::in_process_transport alone;
    const auto layout = feddip::test::lenet5_weights();
    const auto base = sparse_vector_of_slot(0, layout).support;

    for (const int slots : {0, 1, 2, 5, 8}) {
        const std::vector<int> at_0(static_cast<std::size_t>(slots), 0);
        const auto expected = sparse_sum_over(alone, at_0, layout, nullptr);
        for (const std::vector<int>& owners : placements(slots, transport.size())) {
            const auto sum = sparse_sum_over(transport, owners, layout, slots % 2 == 0 ? &base : nullptr);
            if (transport.rank() == 0) {
                EXPECT_EQ(sum.support, expected.support) << slots << " slots";
                EXPECT_TRUE(same_bits(sum.values, expected.values)) << slots << " slots";
            } else {
                EXPECT_EQ(sum.support.count(), 0U);
            }
        }
    }
}

// Of vectors too large to leave before they are asked for, and with owners that don't ascend.
TEST(mpi_transport, two_sums_can_be_under_way_at_once) {
    mpi_transport transport(communicator::world());
    const int last = transport.size() - 1, next = std::min(1, last);
    const std::vector<int> owners{0, 0, next, last, 0};
    const std::vector<float> ones(1 << 20, 1.0F), tens(1 << 20, 10.0F);
    const auto first = transport.start_sum(owners, ones.size());
    const auto second = transport.start_sum(owners, tens.size());
    for (int slot = 0; slot < 5; ++slot) {
        if (owners[static_cast<std::size_t>(slot)] == transport.rank()) {
            first->add(slot, ones);
            second->add(slot, tens);
        }
    }

    const auto sum_of_first = first->finish();
    const auto sum_of_second = second->finish();

    if (transport.rank() == 0) {
        EXPECT_EQ(sum_of_first.back(), 5.0F);
        EXPECT_EQ(sum_of_second.back(), 50.0F);
    }
}

TEST(mpi_transport, broadcast_gives_everybody_the_message_of_rank_0) {
    mpi_transport transport(communicator::world());
    for (const std::size_t length : {0U, 1U, 100'003U}) {
        std::vector<std::byte> expected(length);
        for (std::size_t i = 0; i < length; ++i) {
            expected[i] = static_cast<std::byte>(i * 7);
        }
        std::vector<std::byte> message = transport.rank() == 0 ? expected : std::vector<std::byte>(5);

        transport.broadcast(message);

        EXPECT_EQ(message, expected);
    }
}

TEST(mpi_transport, gather_brings_unequal_messages_to_rank_0_by_rank) {
    mpi_transport transport(communicator::world());
    const auto message_of = [](int rank) {
        return std::vector<std::byte>(static_cast<std::size_t>(rank % 3) * 1000,
                                      static_cast<std::byte>(rank));
    };

    const auto all = transport.gather(message_of(transport.rank()));

    if (transport.rank() != 0) {
        EXPECT_TRUE(all.empty());
        return;
    }
    ASSERT_EQ(all.size(), static_cast<std::size_t>(transport.size()));
    for (int rank = 0; rank < transport.size(); ++rank) {
        EXPECT_EQ(all[static_cast<std::size_t>(rank)], message_of(rank));
    }
}

TEST(mpi_transport, exchange_brings_each_rank_what_the_others_have_for_it) {
    mpi_transport transport(communicator::world());
    const auto message_for = [](int from, int to) {
        return std::vector<std::byte>(static_cast<std::size_t>((3 * from + to) % 4) * 1000,
                                      static_cast<std::byte>(10 * from + to));
    };
    for (int round = 0; round < 2; ++round) { // messages of two exchanges don't meet
        std::vector<std::vector<std::byte>> messages;
        for (int to = 0; to < transport.size(); ++to) {
            messages.push_back(message_for(transport.rank() + round, to));
        }

        const auto received = transport.exchange(messages);

        ASSERT_EQ(received.size(), static_cast<std::size_t>(transport.size()));
        for (int from = 0; from < transport.size(); ++from) {
            EXPECT_EQ(received[static_cast<std::size_t>(from)], message_for(from + round, transport.rank()));
        }
    }
}

TEST(mpi_transport, any_is_true_where_one_rank_says_so) {
    mpi_transport transport(communicator::world());

    EXPECT_FALSE(transport.any(false));
    for (int rank = 0; rank < transport.size(); ++rank) {
        EXPECT_TRUE(transport.any(rank == transport.rank()));
    }
}

} // namespace
