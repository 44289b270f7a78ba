#include "comm/mpi_transport.hpp"

#include "base/error.hpp"
#include "comm/chunks.hpp"
#include "fl/slot_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <utility>

namespace feddip::comm {

namespace {

// One tag per sum, reused after `sum_tags` of them; 32767 is the largest that MPI promises.
constexpr int first_sum_tag = 1024;
constexpr int sum_tags = 16384;

// Vectors travel in pieces that fit the cache, so that one is added while the next arrives.
constexpr std::size_t piece_length = std::size_t{1} << 18;
constexpr std::size_t piece_bytes = piece_length * sizeof(float);

std::size_t most_on_their_way(std::size_t slots) {
    return std::bit_width(slots) + 1;
}

// Vectors, as floats or bytes, that MPI is still sending.
template <typename Vector>
class outbox {
public:
    outbox(communicator& c, int tag, std::size_t most) : communicator_(c), tag_(tag), most_(most) {}

    // Hands each vector that has left, on this call or before, to `reuse`.
    template <typename Reuse>
    void send(int rank, Vector values, Reuse&& reuse) {
        while (!parcels_.empty() && (parcels_.size() >= most_ || parcels_.front().sending.test())) {
            parcels_.front().sending.wait();
            reuse(std::move(parcels_.front().values));
            parcels_.pop_front();
        }
        parcel& p = parcels_.emplace_back();
        p.values = std::move(values);
        p.sending = communicator_.start_send(rank, tag_, std::as_bytes(std::span(p.values)), piece_bytes);
    }

    void flush() {
        for (parcel& p : parcels_) {
            p.sending.wait();
        }
        parcels_.clear();
    }

private:
    struct parcel {
        Vector values; // before `sending`: it must live longer
        transfer sending;
    };

    communicator& communicator_;
    int tag_;
    std::size_t most_;
    std::deque<parcel> parcels_;
};

class mpi_dense_link : public fl::dense_link {
public:
    mpi_dense_link(communicator& c, int tag, std::size_t slots, std::size_t length)
        : communicator_(c), tag_(tag), length_(length), outbox_(c, tag, most_on_their_way(slots)) {}

    void send(int rank, std::vector<float> value) override {
        outbox_.send(rank, std::move(value), [&](std::vector<float> sent) { recycle(std::move(sent)); });
    }

    std::vector<float> receive(int rank) override {
        std::vector<float> value = spare(length_);
        communicator_.start_receive(rank, tag_, std::as_writable_bytes(std::span(value)), piece_bytes).wait();
        return value;
    }

    // Piece by piece, one being added while the next arrives: no second vector is needed.
    void receive_and_add(int rank, std::vector<float>& left) override {
        const std::vector<chunk> pieces = chunks_of(left.size(), piece_length);
        std::array<transfer, 2> arriving;
        const auto start = [&](std::size_t i) {
            if (i < pieces.size()) {
                arrived_[i % 2].resize(pieces[i].length);
                arriving[i % 2] = communicator_.start_receive(
                    rank, tag_, std::as_writable_bytes(std::span(arrived_[i % 2])));
            }
        };
        start(0);
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            start(i + 1);
            arriving[i % 2].wait();
            fl::add_to(std::span(left).subspan(pieces[i].offset, pieces[i].length), arrived_[i % 2]);
        }
    }

    void flush() override { outbox_.flush(); }

private:
    communicator& communicator_;
    int tag_;
    std::size_t length_;
    outbox<std::vector<float>> outbox_;
    std::array<std::vector<float>, 2> arrived_;
};

// A vector travels as the length of its bytes, then the bytes.
class mpi_sparse_link : public fl::sparse_link {
public:
    mpi_sparse_link(communicator& c, int tag, std::size_t slots, const parameter_layout& layout,
                    const sparse::mask* base)
        : communicator_(c), tag_(tag), layout_(layout), base_(base),
          lengths_(c, tag, most_on_their_way(slots)), bodies_(c, tag, most_on_their_way(slots)) {}

    void send(int rank, sparse::sparse_vector value) override {
        std::vector<std::byte> body = sparse::encode(value, layout_, base_);
        lengths_.send(rank, {body.size()}, [](auto) {});
        bodies_.send(rank, std::move(body), [](auto) {});
    }

    sparse::sparse_vector receive(int rank) override {
        std::uint64_t length = 0;
        communicator_.receive(rank, tag_, std::as_writable_bytes(std::span(&length, 1)));
        std::vector<std::byte> body(length);
        communicator_.start_receive(rank, tag_, body, piece_bytes).wait();
        return sparse::decode_vector(body, layout_, base_);
    }

    void receive_and_add(int rank, sparse::sparse_vector& left) override { add(left, receive(rank)); }

    void flush() override {
        lengths_.flush();
        bodies_.flush();
    }

private:
    communicator& communicator_;
    int tag_;
    const parameter_layout& layout_;
    const sparse::mask* base_;
    outbox<std::vector<std::uint64_t>> lengths_;
    outbox<std::vector<std::byte>> bodies_;
};

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

bool mpi_transport::any(bool mine) {
    return communicator_.maximum(mine ? 1 : 0) != 0;
}

} // namespace feddip::comm
