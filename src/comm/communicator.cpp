#include "comm/communicator.hpp"

#include "base/error.hpp"
#include "comm/chunks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace feddip::comm {

namespace {

constexpr int gather_tag = 1;
constexpr int exchange_tag = 2;

void check_length(const MPI_Status& status, std::size_t expected) {
    int received = 0;
    check(MPI_Get_count(&status, MPI_BYTE, &received), "MPI_Get_count");
    if (static_cast<std::size_t>(received) != expected) {
        throw error("a message has the wrong length", fmt::format("from rank {}", status.MPI_SOURCE),
                    fmt::format("{} bytes came, {} were expected", received, expected));
    }
}

} // namespace

transfer::~transfer() {
    release();
}

transfer::transfer(transfer&& other) noexcept
    : requests_(std::exchange(other.requests_, {})), expected_(std::exchange(other.expected_, {})) {}

transfer& transfer::operator=(transfer&& other) noexcept {
    if (this != &other) {
        release();
        requests_ = std::exchange(other.requests_, {});
        expected_ = std::exchange(other.expected_, {});
    }
    return *this;
}

// MPI goes on using the buffers until the messages are done, so wait; but not while an exception unwinds,
// when the other side may never come and the job is about to be ended.
void transfer::release() noexcept {
    if (!requests_.empty() && !detector_.unwinding()) {
        MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
    }
    requests_.clear();
}

void transfer::wait() {
    for (std::size_t i = 0; i < requests_.size(); ++i) {
        MPI_Status status;
        check(MPI_Wait(&requests_[i], &status), "MPI_Wait");
        if (!expected_.empty()) {
            check_length(status, expected_[i]);
        }
    }
    requests_.clear();
    expected_.clear();
}

bool transfer::test() {
    int done = 0;
    std::vector<MPI_Status> statuses(requests_.size());
    check(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, statuses.data()),
          "MPI_Testall");
    if (done == 0) {
        return false;
    }
    for (std::size_t i = 0; i < expected_.size(); ++i) {
        check_length(statuses[i], expected_[i]);
    }
    requests_.clear();
    expected_.clear();
    return true;
}

communicator::communicator(MPI_Comm original) {
    check(MPI_Comm_dup(original, &handle_), "MPI_Comm_dup");
    check(MPI_Comm_set_errhandler(handle_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(handle_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
}

communicator::~communicator() {
    release();
}

communicator::communicator(communicator&& other) noexcept
    : handle_(std::exchange(other.handle_, MPI_COMM_NULL)), rank_(other.rank_), size_(other.size_),
      bytes_sent_(other.bytes_sent_) {}

communicator& communicator::operator=(communicator&& other) noexcept {
    if (this != &other) {
        release();
        handle_ = std::exchange(other.handle_, MPI_COMM_NULL);
        rank_ = other.rank_;
        size_ = other.size_;
        bytes_sent_ = other.bytes_sent_;
    }
    return *this;
}

void communicator::release() noexcept {
    if (handle_ != MPI_COMM_NULL && !detector_.unwinding()) {
        MPI_Comm_free(&handle_);
    }
}

void communicator::send(int to, int tag, std::span<const std::byte> bytes) {
    for (const chunk& c : chunks_of(bytes.size(), largest_piece)) {
        check(MPI_Send(bytes.data() + c.offset, static_cast<int>(c.length), MPI_BYTE, to, tag, handle_),
              "MPI_Send");
        bytes_sent_ += c.length;
    }
}

void communicator::receive(int from, int tag, std::span<std::byte> bytes) {
    for (const chunk& c : chunks_of(bytes.size(), largest_piece)) {
        MPI_Status status;
        check(MPI_Recv(bytes.data() + c.offset, static_cast<int>(c.length), MPI_BYTE, from, tag, handle_,
                       &status),
              "MPI_Recv");
        check_length(status, c.length);
    }
}

transfer communicator::start_send(int to, int tag, std::span<const std::byte> bytes, std::size_t piece) {
    transfer t;
    for (const chunk& c : chunks_of(bytes.size(), piece)) {
        MPI_Request& request = t.requests_.emplace_back(MPI_REQUEST_NULL);
        check(MPI_Isend(bytes.data() + c.offset, static_cast<int>(c.length), MPI_BYTE, to, tag, handle_,
                        &request),
              "MPI_Isend");
        bytes_sent_ += c.length;
    }
    return t;
}

transfer communicator::start_receive(int from, int tag, std::span<std::byte> bytes, std::size_t piece) {
    transfer t;
    for (const chunk& c : chunks_of(bytes.size(), piece)) {
        MPI_Request& request = t.requests_.emplace_back(MPI_REQUEST_NULL);
        check(MPI_Irecv(bytes.data() + c.offset, static_cast<int>(c.length), MPI_BYTE, from, tag, handle_,
                        &request),
              "MPI_Irecv");
        t.expected_.push_back(c.length);
    }
    return t;
}

void communicator::broadcast(int root, std::span<std::byte> bytes) {
    for (const chunk& c : chunks_of(bytes.size(), largest_piece)) {
        check(MPI_Bcast(bytes.data() + c.offset, static_cast<int>(c.length), MPI_BYTE, root, handle_),
              "MPI_Bcast");
        bytes_sent_ += rank_ == root ? c.length : 0;
    }
}

std::vector<std::uint64_t> communicator::gather(int root, std::uint64_t value) {
    if (rank_ != root) {
        check(MPI_Gather(&value, 1, MPI_UINT64_T, nullptr, 0, MPI_UINT64_T, root, handle_), "MPI_Gather");
        bytes_sent_ += sizeof value;
        return {};
    }
    std::vector<std::uint64_t> values(static_cast<std::size_t>(size_));
    values[static_cast<std::size_t>(root)] = value;
    check(MPI_Gather(MPI_IN_PLACE, 0, MPI_UINT64_T, values.data(), 1, MPI_UINT64_T, root, handle_),
          "MPI_Gather");
    return values;
}

int communicator::maximum(int value) {
    int result = value;
    check(MPI_Allreduce(&value, &result, 1, MPI_INT, MPI_MAX, handle_), "MPI_Allreduce");
    bytes_sent_ += sizeof value;
    return result;
}

void communicator::barrier() {
    check(MPI_Barrier(handle_), "MPI_Barrier");
}

// The lengths with one collective, the bytes one rank after another: MPI_Gatherv can't go past 2^31 bytes in
// all.
std::vector<std::vector<std::byte>> gather_bytes(communicator& c, int root, std::span<const std::byte> mine) {
    const std::vector<std::uint64_t> lengths = c.gather(root, mine.size());
    if (c.rank() != root) {
        c.send(root, gather_tag, mine);
        return {};
    }
    std::vector<std::vector<std::byte>> all(lengths.size());
    for (int rank = 0; rank < c.size(); ++rank) {
        auto& bytes = all[static_cast<std::size_t>(rank)];
        if (rank == root) {
            bytes.assign(mine.begin(), mine.end());
        } else {
            bytes.resize(lengths[static_cast<std::size_t>(rank)]);
            c.receive(rank, gather_tag, bytes);
        }
    }
    return all;
}

// A length of 8 bytes, then the bytes, between each two ranks.
std::vector<std::vector<std::byte>> exchange_bytes(communicator& c,
                                                   std::vector<std::vector<std::byte>> messages) {
    const auto ranks = messages.size();
    const auto others = [&](auto&& act) {
        for (std::size_t r = 0; r < ranks; ++r) {
            if (static_cast<int>(r) != c.rank()) {
                act(r);
            }
        }
    };
    std::vector<std::uint64_t> lengths(ranks), expected(ranks);
    std::vector<std::vector<std::byte>> received(ranks);
    std::vector<transfer> sending, receiving;
    others([&](std::size_t r) {
        lengths[r] = messages[r].size();
        const auto to = static_cast<int>(r);
        sending.push_back(c.start_send(to, exchange_tag, std::as_bytes(std::span(&lengths[r], 1))));
        sending.push_back(c.start_send(to, exchange_tag, messages[r]));
    });
    others([&](std::size_t r) {
        const auto from = static_cast<int>(r);
        c.receive(from, exchange_tag, std::as_writable_bytes(std::span(&expected[r], 1)));
        received[r].resize(expected[r]);
        receiving.push_back(c.start_receive(from, exchange_tag, received[r]));
    });
    std::ranges::for_each(receiving, &transfer::wait);
    std::ranges::for_each(sending, &transfer::wait);
    const auto self = static_cast<std::size_t>(c.rank());
    received[self] = std::move(messages[self]);
    return received;
}

std::vector<std::string> gather_text(communicator& c, const std::string& mine) {
    std::vector<std::string> all;
    for (const auto& bytes : gather_bytes(c, 0, std::as_bytes(std::span(mine)))) {
        all.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return all;
}

std::vector<std::string> hostnames(communicator& c) {
    std::string name(MPI_MAX_PROCESSOR_NAME, '\0');
    int length = 0;
    check(MPI_Get_processor_name(name.data(), &length), "MPI_Get_processor_name");
    name.resize(static_cast<std::size_t>(length));
    return gather_text(c, name);
}

} // namespace feddip::comm
