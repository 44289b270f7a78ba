#include "comm/sparse_collectives.hpp"

#include "base/error.hpp"
#include "comm/chunks.hpp"
#include "comm/slot_links.hpp"
#include "fl/slot_tree.hpp"
#include "sparse/codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

namespace feddip::comm {

namespace {

constexpr int sum_tag = 2;
constexpr int union_tag = 3;

std::vector<int> one_slot_per_rank(const communicator& c) {
    std::vector<int> owners(static_cast<std::size_t>(c.size()));
    std::iota(owners.begin(), owners.end(), 0);
    return owners;
}

// With one slot per rank a rank's steps are its leaf, then the right halves it receives, then one send,
// except at rank 0. All of them are done for one piece before the next, so that pieces follow each other up
// the tree.
//   length(i)       floats of piece i, at most `largest`
//   load(i, into)   this rank's piece
//   store(i, sum)   at rank 0
template <typename Length, typename Load, typename Store>
void sum_in_pieces(communicator& c, std::size_t pieces, std::size_t largest, Length length, Load load,
                   Store store) {
    const std::vector<fl::slot_step> steps = fl::slot_tree_steps(one_slot_per_rank(c), c.rank());
    std::vector<float> arrived(largest);
    std::array<std::vector<float>, 2> buffers{std::vector<float>(largest), std::vector<float>(largest)};
    std::array<transfer, 2> leaving; // after what they send
    for (std::size_t i = 0; i < pieces; ++i) {
        leaving[i % 2].wait();
        const auto sum = std::span(buffers[i % 2]).first(length(i));
        load(i, sum);
        for (const fl::slot_step& step : steps) {
            if (step.what == fl::slot_step::kind::receive_and_add) {
                const auto right = std::span(arrived).first(sum.size());
                c.receive(step.number, sum_tag, std::as_writable_bytes(right));
                fl::add_to(sum, right);
            } else if (step.what == fl::slot_step::kind::send) {
                leaving[i % 2] = c.start_send(step.number, sum_tag, std::as_bytes(sum));
            }
        }
        if (c.rank() == 0) {
            store(i, sum);
        }
    }
    leaving[0].wait();
    leaving[1].wait();
}

} // namespace

std::vector<masked_piece> pieces_of(const sparse::mask& m, std::size_t most) {
    std::vector<masked_piece> pieces;
    constexpr std::size_t most_words = std::size_t{1} << 26; // so that 32 bits count its positions
    masked_piece piece{0, 0, 0};
    const auto words = m.words();
    for (std::size_t w = 0; w < words.size(); ++w) {
        piece.values += static_cast<std::size_t>(std::popcount(words[w]));
        piece.last_word = w + 1;
        const bool full = piece.values >= most || piece.last_word - piece.first_word == most_words;
        if (full || piece.last_word == words.size()) {
            if (piece.values > 0) {
                pieces.push_back(piece);
            }
            piece = {w + 1, w + 1, 0};
        }
    }
    return pieces;
}

masked_exchange::masked_exchange(const sparse::mask& m, std::size_t most)
    : size_(m.size()), pieces_(pieces_of(m, most)) {
    positions_.reserve(m.count());
    for (const masked_piece& p : pieces_) {
        largest_ = std::max(largest_, p.values);
        first_value_.push_back(positions_.size());
        for (std::size_t w = p.first_word; w < p.last_word; ++w) {
            for (std::uint64_t bits = m.words()[w]; bits != 0; bits &= bits - 1) {
                positions_.push_back(static_cast<std::uint32_t>(
                    (w - p.first_word) * 64 + static_cast<std::size_t>(std::countr_zero(bits))));
            }
        }
    }
}

std::span<const std::uint32_t> masked_exchange::positions_of(std::size_t piece) const {
    return std::span(positions_).subspan(first_value_[piece], pieces_[piece].values);
}

// Through a list of positions, because looking for bits costs twice as much as moving the values.
void masked_exchange::pack(std::size_t piece, std::span<const float> vector, std::span<float> packed) const {
    const float* first = vector.data() + pieces_[piece].first_word * 64;
    const auto positions = positions_of(piece);
    for (std::size_t i = 0; i < positions.size(); ++i) {
        packed[i] = first[positions[i]];
    }
}

void masked_exchange::unpack(std::size_t piece, std::span<const float> packed,
                             std::span<float> vector) const {
    constexpr std::size_t ahead = 32;
    float* first = vector.data() + pieces_[piece].first_word * 64;
    const auto positions = positions_of(piece);
    for (std::size_t i = 0; i < positions.size(); ++i) {
        __builtin_prefetch(first + positions[std::min(i + ahead, positions.size() - 1)], 1);
        first[positions[i]] = packed[i];
    }
}

void masked_exchange::check_length(std::size_t length) const {
    if (length != size_) {
        throw error("a vector can't be exchanged", "masked exchange",
                    fmt::format("it has {} entries, its mask {}", length, size_));
    }
}

void masked_exchange::broadcast(communicator& c, int root, std::span<float> vector) const {
    check_length(vector.size());
    std::vector<float> buffer(largest_);
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        const auto packed = std::span(buffer).first(pieces_[i].values);
        if (c.rank() == root) {
            pack(i, vector, packed);
        }
        c.broadcast(root, std::as_writable_bytes(packed));
        if (c.rank() != root) {
            unpack(i, packed, vector);
        }
    }
}

void masked_exchange::sum(communicator& c, std::span<float> vector) const {
    check_length(vector.size());
    sum_in_pieces(
        c, pieces_.size(), largest_, [&](std::size_t i) { return pieces_[i].values; },
        [&](std::size_t i, std::span<float> into) { pack(i, vector, into); },
        [&](std::size_t i, std::span<const float> sum) { unpack(i, sum, vector); });
}

void sum_values(communicator& c, std::span<float> values) {
    const std::vector<chunk> pieces = chunks_of(values.size(), masked_exchange::values_per_piece);
    const auto part = [&](std::size_t i) { return values.subspan(pieces[i].offset, pieces[i].length); };
    sum_in_pieces(
        c, pieces.size(), std::min(values.size(), masked_exchange::values_per_piece),
        [&](std::size_t i) { return pieces[i].length; },
        [&](std::size_t i, std::span<float> into) { std::ranges::copy(part(i), into.begin()); },
        [&](std::size_t i, std::span<const float> sum) { std::ranges::copy(sum, part(i).begin()); });
}

void broadcast_values(communicator& c, int root, std::span<float> values) {
    c.broadcast(root, std::as_writable_bytes(values));
}

void broadcast_mask(communicator& c, int root, const parameter_layout& layout, const sparse::mask* base,
                    sparse::mask& m) {
    std::vector<std::byte> code;
    if (c.rank() == root) {
        code = sparse::encode(m, layout, base);
    }
    std::uint64_t length = code.size();
    c.broadcast(root, std::as_writable_bytes(std::span(&length, 1)));
    code.resize(length);
    c.broadcast(root, code);
    if (c.rank() != root) {
        m = sparse::decode(code, layout, base);
    }
}

sparse::sparse_vector sum_over_union(communicator& c, const parameter_layout& layout,
                                     const sparse::mask* base, sparse::sparse_vector mine) {
    const std::vector<int> owners = one_slot_per_rank(c);
    const auto sum = fl::make_sparse_slot_sum(
        owners, c.rank(), layout.prunable_size(),
        std::make_unique<mpi_sparse_link>(c, union_tag, owners.size(), layout, base));
    sum->add(c.rank(), std::move(mine));
    return sum->finish();
}

} // namespace feddip::comm
