#include "base/error.hpp"
#include "comm/communicator.hpp"
#include "comm/shared_buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace {

using feddip::comm::communicator;
using feddip::comm::shared_buffer;
using feddip::comm::transfer;

std::vector<std::byte> bytes_of(int rank, std::size_t length) {
    std::vector<std::byte> bytes(length);
    for (std::size_t i = 0; i < length; ++i) {
        bytes[i] = static_cast<std::byte>(i * 13 + static_cast<std::size_t>(rank) * 31);
    }
    return bytes;
}

TEST(communicator, messages_go_round_a_ring_in_pieces) {
    auto c = communicator::world();
    const int next = (c.rank() + 1) % c.size();
    const int previous = (c.rank() + c.size() - 1) % c.size();
    const auto mine = bytes_of(c.rank(), 10'007);
    std::vector<std::byte> received(10'007);

    transfer arriving = c.start_receive(previous, 5, received, 1000);
    transfer leaving = c.start_send(next, 5, mine, 1000);
    arriving.wait();
    leaving.wait();

    EXPECT_EQ(received, bytes_of(previous, 10'007));
    EXPECT_EQ(c.bytes_sent(), 10'007U);
}

TEST(communicator, a_message_of_the_wrong_length_is_an_error) {
    auto c = communicator::world();
    const auto mine = bytes_of(c.rank(), 10);
    std::vector<std::byte> received(20);

    transfer leaving = c.start_send(c.rank(), 5, mine);

    EXPECT_THROW(c.receive(c.rank(), 5, received), feddip::error);
    leaving.wait();
}

TEST(communicator, a_failing_call_is_an_error_that_names_it) {
    auto c = communicator::world();
    try {
        c.send(c.size(), 0, bytes_of(0, 1));
        FAIL() << "there is no such rank";
    } catch (const feddip::error& e) {
        EXPECT_NE(std::string(e.what()).find("MPI_Send"), std::string::npos) << e.what();
    }
}

TEST(communicator, gather_and_maximum_see_every_rank) {
    auto c = communicator::world();

    const auto values = c.gather(c.size() - 1, static_cast<std::uint64_t>(c.rank()) << 33);
    const int most = c.maximum(c.rank() * 2);

    EXPECT_EQ(most, 2 * (c.size() - 1));
    if (c.rank() == c.size() - 1) {
        ASSERT_EQ(values.size(), static_cast<std::size_t>(c.size()));
        for (int rank = 0; rank < c.size(); ++rank) {
            EXPECT_EQ(values[static_cast<std::size_t>(rank)], static_cast<std::uint64_t>(rank) << 33);
        }
    } else {
        EXPECT_TRUE(values.empty());
    }
}

TEST(communicator, can_be_moved) {
    auto first = communicator::world();
    auto second = std::move(first);
    auto third = communicator::world();
    third = std::move(second);

    EXPECT_EQ(third.maximum(third.rank()), third.size() - 1);
}

TEST(communicator, hostnames_come_one_per_rank) {
    auto c = communicator::world();

    const auto names = feddip::comm::hostnames(c);

    ASSERT_EQ(names.size(), c.rank() == 0 ? static_cast<std::size_t>(c.size()) : 0U);
    for (const auto& name : names) {
        EXPECT_FALSE(name.empty());
    }
}

TEST(shared_buffer, what_the_leader_writes_all_ranks_of_the_node_read) {
    const auto c = communicator::world();
    const std::size_t size = 1 << 20;
    shared_buffer buffer(c, size);
    ASSERT_EQ(buffer.bytes().size(), size);
    if (buffer.leader()) {
        std::ranges::copy(bytes_of(3, size), buffer.bytes().begin());
    }

    buffer.publish();

    EXPECT_TRUE(std::ranges::equal(buffer.bytes(), bytes_of(3, size)));
}

TEST(shared_buffer, of_no_bytes_is_allowed_and_buffers_can_be_moved) {
    const auto c = communicator::world();
    shared_buffer empty(c, 0);
    shared_buffer other(c, 64);

    empty = std::move(other);
    empty.publish();

    EXPECT_EQ(empty.bytes().size(), 64U);
}

} // namespace
