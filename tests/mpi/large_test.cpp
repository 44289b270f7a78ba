// Messages of more than 2^31 bytes, in earnest: some 10 GB and a minute. Runs where FEDDIP_TEST_LARGE is 1.
#include "comm/mpi_transport.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>
#include <vector>

namespace {

using feddip::comm::communicator;
using feddip::comm::mpi_transport;

constexpr std::size_t beyond_int = (std::size_t{1} << 31) + 12;

class large : public testing::Test {
protected:
    void SetUp() override {
        const char* wanted = std::getenv("FEDDIP_TEST_LARGE");
        if (wanted == nullptr || std::string_view(wanted) != "1") {
            GTEST_SKIP() << "set FEDDIP_TEST_LARGE=1 to run it";
        }
    }
};

TEST_F(large, a_broadcast_beyond_2_to_the_31_bytes_arrives_whole) {
    mpi_transport transport(communicator::world());
    std::vector<std::byte> message;
    if (transport.rank() == 0) {
        message.resize(beyond_int);
        for (std::size_t i = 0; i < beyond_int; i += 4093) {
            message[i] = static_cast<std::byte>(i / 4093 % 251);
        }
    }

    transport.broadcast(message);

    ASSERT_EQ(message.size(), beyond_int);
    bool same = true;
    for (std::size_t i = 0; i < beyond_int; i += 4093) {
        same = same && message[i] == static_cast<std::byte>(i / 4093 % 251);
    }
    EXPECT_TRUE(same);
}

TEST_F(large, a_sum_of_vectors_beyond_2_to_the_31_bytes_is_right) {
    mpi_transport transport(communicator::world());
    const std::size_t length = beyond_int / sizeof(float);
    const std::vector<int> owners{0, transport.size() - 1};
    const auto sum = transport.start_sum(owners, length);
    std::vector<float> values(length);
    for (std::size_t i = 0; i < length; ++i) {
        values[i] = static_cast<float>(i % 1021);
    }
    for (int s = 0; s < 2; ++s) {
        if (owners[static_cast<std::size_t>(s)] == transport.rank()) {
            sum->add(s, values);
        }
    }

    const auto total = sum->finish();

    bool same = total.size() == (transport.rank() == 0 ? length : 0);
    for (std::size_t i = 0; i < total.size(); ++i) {
        same = same && total[i] == 2.0F * static_cast<float>(i % 1021);
    }
    EXPECT_TRUE(same);
}

} // namespace
