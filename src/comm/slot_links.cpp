#include "comm/slot_links.hpp"

#include "base/error.hpp"
#include "comm/chunks.hpp"
#include "sparse/codec.hpp"

#include <fmt/format.h>

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
    : communicator_(c), tag_(tag), layout_(layout), base_(base), heads_(c, tag, most_on_their_way(slots)),
      codes_(c, tag, most_on_their_way(slots)), values_(c, tag, most_on_their_way(slots)) {}

void mpi_sparse_link::send(int rank, sparse::sparse_vector value) {
    std::vector<std::byte> code = sparse::encode(value.support, layout_, base_);
    const head h{.values = value.values.size(), .code_bytes = static_cast<std::uint32_t>(code.size())};
    heads_.send(rank, std::vector<head>{h}, forget<head>);
    codes_.send(rank, std::move(code), forget<std::byte>);
    values_.send(rank, std::move(value.values), forget<float>);
}

// The values may arrive while the positions are decoded.
sparse::sparse_vector mpi_sparse_link::receive(int rank) {
    head h{};
    communicator_.receive(rank, tag_, std::as_writable_bytes(std::span(&h, 1)));
    std::vector<std::byte> code(h.code_bytes);
    sparse::sparse_vector vector{{}, std::vector<float>(h.values)};
    communicator_.start_receive(rank, tag_, code, piece_bytes).wait();
    transfer arriving = communicator_.start_receive(
        rank, tag_, std::as_writable_bytes(std::span(vector.values)), piece_bytes);
    vector.support = sparse::decode(code, layout_, base_);
    arriving.wait();
    if (vector.values.size() != vector.support.count()) {
        throw error(
            "a sparse vector can't be read", fmt::format("from rank {}", rank),
            fmt::format("{} values came for {} positions", vector.values.size(), vector.support.count()));
    }
    return vector;
}

void mpi_sparse_link::receive_and_add(int rank, sparse::sparse_vector& left) {
    add(left, receive(rank));
}

void mpi_sparse_link::flush() {
    heads_.flush();
    codes_.flush();
    values_.flush();
}

} // namespace feddip::comm
