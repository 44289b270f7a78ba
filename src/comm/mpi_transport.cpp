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

class mpi_link : public fl::slot_link {
public:
    mpi_link(communicator& c, int tag, std::size_t slots)
        : communicator_(c), tag_(tag), most_on_their_way_(std::bit_width(slots) + 1) {}

    void send(int rank, std::vector<float> values) override {
        while (!on_their_way_.empty() && on_their_way_.front().sending.test()) {
            retire_front();
        }
        while (on_their_way_.size() >= most_on_their_way_) {
            on_their_way_.front().sending.wait();
            retire_front();
        }
        parcel& p = on_their_way_.emplace_back();
        p.values = std::move(values);
        p.sending = communicator_.start_send(rank, tag_, std::as_bytes(std::span(p.values)), piece_bytes);
    }

    void receive(int rank, std::span<float> values) override {
        communicator_.start_receive(rank, tag_, std::as_writable_bytes(values), piece_bytes).wait();
    }

    void receive_and_add(int rank, std::span<float> values) override {
        const std::vector<chunk> pieces = chunks_of(values.size(), piece_length);
        for (auto& piece : pieces_) {
            piece.resize(std::min(piece_length, values.size()));
        }
        std::array<transfer, 2> arriving;
        const auto start = [&](std::size_t i) {
            const auto into = std::span(pieces_[i % 2]).first(pieces[i].length);
            arriving[i % 2] = communicator_.start_receive(rank, tag_, std::as_writable_bytes(into));
        };
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            if (i == 0) {
                start(0);
            }
            if (i + 1 < pieces.size()) {
                start(i + 1);
            }
            arriving[i % 2].wait();
            float* sum = values.data() + pieces[i].offset;
            const float* piece = pieces_[i % 2].data();
            for (std::size_t k = 0; k < pieces[i].length; ++k) {
                sum[k] += piece[k];
            }
        }
    }

    std::vector<float> vector_of(std::size_t length) override {
        if (free_.empty()) {
            return std::vector<float>(length);
        }
        std::vector<float> v = std::move(free_.back());
        free_.pop_back();
        return v;
    }

    void recycle(std::vector<float> values) override { free_.push_back(std::move(values)); }

    void flush() override {
        for (parcel& p : on_their_way_) {
            p.sending.wait();
        }
        on_their_way_.clear();
    }

private:
    struct parcel {
        std::vector<float> values; // before `sending`: it must live longer
        transfer sending;
    };

    void retire_front() {
        free_.push_back(std::move(on_their_way_.front().values));
        on_their_way_.pop_front();
    }

    communicator& communicator_;
    int tag_;
    std::size_t most_on_their_way_;
    std::deque<parcel> on_their_way_;
    std::vector<std::vector<float>> free_;
    std::array<std::vector<float>, 2> pieces_;
};

} // namespace

mpi_transport::mpi_transport(communicator c) : communicator_(std::move(c)) {}

void mpi_transport::broadcast(std::vector<std::byte>& message) {
    std::uint64_t length = message.size();
    communicator_.broadcast(0, std::as_writable_bytes(std::span(&length, 1)));
    message.resize(length);
    communicator_.broadcast(0, message);
}

std::unique_ptr<fl::slot_sum> mpi_transport::start_sum(std::span<const int> owner_of_slot,
                                                       std::size_t length) {
    for (const int owner : owner_of_slot) {
        if (owner < 0 || owner >= size()) {
            throw error("a sum can't be taken", fmt::format("rank {}", rank()),
                        fmt::format("there is no rank {}", owner));
        }
    }
    const int tag = first_sum_tag + sums_started_++ % sum_tags;
    return std::make_unique<fl::slot_tree_sum>(
        owner_of_slot, rank(), length, std::make_unique<mpi_link>(communicator_, tag, owner_of_slot.size()));
}

std::vector<std::vector<std::byte>> mpi_transport::gather(std::span<const std::byte> mine) {
    return gather_bytes(communicator_, 0, mine);
}

bool mpi_transport::any(bool mine) {
    return communicator_.maximum(mine ? 1 : 0) != 0;
}

} // namespace feddip::comm
