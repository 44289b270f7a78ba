#include "comm/mpi_transport.hpp"

#include "base/error.hpp"
#include "comm/slot_links.hpp"

#include <fmt/format.h>

#include <utility>

namespace feddip::comm {

namespace {

// One tag per sum, reused after `sum_tags` of them; 32767 is the largest that MPI promises.
constexpr int first_sum_tag = 1024;
constexpr int sum_tags = 16384;

} // namespace

mpi_transport::mpi_transport(communicator c) : communicator_(std::move(c)) {}

void mpi_transport::broadcast(std::vector<std::byte>& message) {
    std::uint64_t length = message.size();
    communicator_.broadcast(0, std::as_writable_bytes(std::span(&length, 1)));
    message.resize(length);
    communicator_.broadcast(0, message);
}

int mpi_transport::next_sum_tag(std::span<const int> owner_of_slot) {
    for (const int owner : owner_of_slot) {
        if (owner < 0 || owner >= size()) {
            throw error("a sum can't be taken", fmt::format("rank {}", rank()),
                        fmt::format("there is no rank {}", owner));
        }
    }
    return first_sum_tag + sums_started_++ % sum_tags;
}

std::unique_ptr<fl::slot_sum> mpi_transport::start_sum(std::span<const int> owner_of_slot,
                                                       std::size_t length) {
    const int tag = next_sum_tag(owner_of_slot);
    return fl::make_slot_sum(
        owner_of_slot, rank(), length,
        std::make_unique<mpi_dense_link>(communicator_, tag, owner_of_slot.size(), length));
}

std::unique_ptr<fl::sparse_slot_sum> mpi_transport::start_sparse_sum(std::span<const int> owner_of_slot,
                                                                     const parameter_layout& layout,
                                                                     const sparse::mask* base) {
    const int tag = next_sum_tag(owner_of_slot);
    return fl::make_sparse_slot_sum(
        owner_of_slot, rank(), layout.prunable_size(),
        std::make_unique<mpi_sparse_link>(communicator_, tag, owner_of_slot.size(), layout, base));
}

std::vector<std::vector<std::byte>> mpi_transport::gather(std::span<const std::byte> mine) {
    return gather_bytes(communicator_, 0, mine);
}

std::vector<std::vector<std::byte>> mpi_transport::exchange(std::vector<std::vector<std::byte>> messages) {
    return exchange_bytes(communicator_, std::move(messages));
}

bool mpi_transport::any(bool mine) {
    return communicator_.maximum(mine ? 1 : 0) != 0;
}

} // namespace feddip::comm
