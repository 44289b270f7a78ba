#include "comm/slot_links.hpp"

#include "comm/chunks.hpp"

#include <bit>
#include <utility>

namespace feddip::comm {

namespace {

// Vectors travel in pieces that fit the cache.
constexpr std::size_t piece_length = std::size_t{1} << 18;
constexpr std::size_t piece_bytes = piece_length * sizeof(float);

// As many as a rank sends at all where owners ascend, so that it never waits there.
std::size_t most_on_their_way(std::size_t slots) {
    return static_cast<std::size_t>(std::bit_width(slots)) + 1;
}

template <typename T>
void forget(std::vector<T>) {}

} // namespace

template <typename T>
void outbox<T>::send(int rank, std::vector<T> values, const std::function<void(std::vector<T>)>& reuse) {
    while (!parcels_.empty() && (parcels_.size() >= most_ || parcels_.front().sending.test())) {
        parcels_.front().sending.wait();
        reuse(std::move(parcels_.front().values));
        parcels_.pop_front();
    }
    parcel& p = parcels_.emplace_back();
    p.values = std::move(values);
    p.sending = communicator_.start_send(rank, tag_, std::as_bytes(std::span(p.values)), piece_bytes);
}

template <typename T>
void outbox<T>::flush() {
    for (parcel& p : parcels_) {
        p.sending.wait();
    }
    parcels_.clear();
}

mpi_dense_link::mpi_dense_link(communicator& c, int tag, std::size_t slots, std::size_t length)
    : communicator_(c), tag_(tag), length_(length), outbox_(c, tag, most_on_their_way(slots)) {}

void mpi_dense_link::send(int rank, std::vector<float> value) {
    outbox_.send(rank, std::move(value), [&](std::vector<float> sent) { recycle(std::move(sent)); });
}

std::vector<float> mpi_dense_link::receive(int rank) {
    std::vector<float> value = spare(length_);
    communicator_.start_receive(rank, tag_, std::as_writable_bytes(std::span(value)), piece_bytes).wait();
    return value;
}

void mpi_dense_link::receive_and_add(int rank, std::vector<float>& left) {
    const std::vector<chunk> pieces = chunks_of(left.size(), piece_length);
    std::array<transfer, 2> arriving;
    const auto start = [&](std::size_t i) {
        if (i < pieces.size()) {
            arrived_[i % 2].resize(pieces[i].length);
            const auto into = std::as_writable_bytes(std::span(arrived_[i % 2]));
            arriving[i % 2] = communicator_.start_receive(rank, tag_, into);
        }
    };
    start(0);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        start(i + 1);
        arriving[i % 2].wait();
        fl::add_to(std::span(left).subspan(pieces[i].offset, pieces[i].length), arrived_[i % 2]);
    }
}

mpi_sparse_link::mpi_sparse_link(communicator& c, int tag, std::size_t slots, const parameter_layout& layout,
                                 const sparse::mask* base)
    : communicator_(c), tag_(tag), layout_(layout), base_(base), lengths_(c, tag, most_on_their_way(slots)),
      bodies_(c, tag, most_on_their_way(slots)) {}

void mpi_sparse_link::send(int rank, sparse::sparse_vector value) {
    std::vector<std::byte> body = sparse::encode(value, layout_, base_);
    lengths_.send(rank, {body.size()}, forget<std::uint64_t>);
    bodies_.send(rank, std::move(body), forget<std::byte>);
}

sparse::sparse_vector mpi_sparse_link::receive(int rank) {
    std::uint64_t length = 0;
    communicator_.receive(rank, tag_, std::as_writable_bytes(std::span(&length, 1)));
    std::vector<std::byte> body(length);
    communicator_.start_receive(rank, tag_, body, piece_bytes).wait();
    return sparse::decode_vector(body, layout_, base_);
}

void mpi_sparse_link::receive_and_add(int rank, sparse::sparse_vector& left) {
    add(left, receive(rank));
}

void mpi_sparse_link::flush() {
    lengths_.flush();
    bodies_.flush();
}

} // namespace feddip::comm
