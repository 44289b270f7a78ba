#include "comm/mpi_transport.hpp"
#include "mpi/independent_count.hpp"
#include "unit/sparse/layouts.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace {

using feddip::comm::communicator;
using feddip::comm::mpi_transport;
using feddip::test::bytes_handed_to_mpi;

struct counted {
    std::uint64_t ours;
    std::uint64_t independently;
};

counted count(mpi_transport& transport, const std::function<void()>& exchange) {
    const std::uint64_t ours = transport.bytes_sent();
    const std::uint64_t independently = bytes_handed_to_mpi();
    exchange();
    return {transport.bytes_sent() - ours, bytes_handed_to_mpi() - independently};
}

TEST(traffic, the_independent_count_sees_a_message) {
    auto c = communicator::world();
    const std::vector<std::byte> message(12);
    std::vector<std::byte> received(12);
    const std::uint64_t before = bytes_handed_to_mpi();

    auto leaving = c.start_send(c.rank(), 0, message);
    c.receive(c.rank(), 0, received);
    leaving.wait();

    EXPECT_EQ(bytes_handed_to_mpi() - before, 12U);
}

TEST(traffic, of_a_broadcast_agrees_with_the_independent_count) {
    mpi_transport transport(communicator::world());
    std::vector<std::byte> message(transport.rank() == 0 ? 12'345 : 0);

    const counted bytes = count(transport, [&] { transport.broadcast(message); });

    EXPECT_EQ(bytes.ours, bytes.independently);
    EXPECT_EQ(bytes.ours, transport.rank() == 0 ? 12'345U + 8U : 0U);
}

TEST(traffic, of_sums_agrees_with_the_independent_count) {
    mpi_transport transport(communicator::world());
    const std::size_t length = 300'001; // more than one piece on the wire
    const std::vector<float> values(length, 1.0F);
    for (const int slots : {1, 4, 7}) {
        std::vector<int> owners;
        for (int s = 0; s < slots; ++s) {
            owners.push_back((s * 2 + 1) % transport.size());
        }

        const counted bytes = count(transport, [&] {
            const auto sum = transport.start_sum(owners, length);
            for (int s = 0; s < slots; ++s) {
                if (owners[static_cast<std::size_t>(s)] == transport.rank()) {
                    sum->add(s, values);
                }
            }
            sum->finish();
        });

        EXPECT_EQ(bytes.ours, bytes.independently);
        EXPECT_EQ(bytes.ours % (length * sizeof(float)), 0U);
    }
}

TEST(traffic, of_sparse_sums_agrees_with_the_independent_count) {
    mpi_transport transport(communicator::world());
    const auto layout = feddip::test::lenet5_weights();
    const std::vector<int> owners{0, transport.size() - 1, transport.size() / 2};
    feddip::sparse::sparse_vector v{feddip::sparse::mask(layout.prunable_size(), false), {1.0F, 2.0F}};
    v.support.set(17, true);
    v.support.set(layout.prunable_size() - 1, true);

    const counted bytes = count(transport, [&] {
        const auto sum = transport.start_sparse_sum(owners, layout, nullptr);
        for (std::size_t s = 0; s < owners.size(); ++s) {
            if (owners[s] == transport.rank()) {
                sum->add(static_cast<int>(s), v);
            }
        }
        sum->finish();
    });

    EXPECT_EQ(bytes.ours, bytes.independently);
    EXPECT_EQ(bytes.ours > 0,
              transport.rank() != 0 && (transport.rank() == owners[1] || transport.rank() == owners[2]));
}

TEST(traffic, of_gather_and_any_agrees_with_the_independent_count) {
    mpi_transport transport(communicator::world());
    const std::vector<std::byte> mine(static_cast<std::size_t>(transport.rank()) * 101);

    const counted bytes = count(transport, [&] {
        transport.gather(mine);
        transport.any(transport.rank() == 1);
    });

    EXPECT_EQ(bytes.ours, bytes.independently);
    EXPECT_EQ(bytes.ours, (transport.rank() == 0 ? 0U : 8U + mine.size()) + sizeof(int));
}

} // namespace
