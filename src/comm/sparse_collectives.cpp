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

void check_length(std::size_t length, const sparse::mask& m) {
    if (length != m.size()) {
        throw error("a vector can't be exchanged", "masked exchange",
                    fmt::format("it has {} entries, its mask {}", length, m.size()));
    }
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
    masked_piece piece{0, 0, 0};
    const auto words = m.words();
    for (std::size_t w = 0; w < words.size(); ++w) {
        piece.values += static_cast<std::size_t>(std::popcount(words[w]));
        piece.last_word = w + 1;
        if (piece.values >= most || (piece.last_word == words.size() && piece.values > 0)) {
            pieces.push_back(piece);
            piece = {w + 1, w + 1, 0};
        }
    }
    return pieces;
}

masked_exchange::masked_exchange(const sparse::mask& m, std::size_t most)
    : mask_(m), pieces_(pieces_of(m, most)) {
    for (const masked_piece& p : pieces_) {
        largest_ = std::max(largest_, p.values);
    }
}

void masked_exchange::pack(const masked_piece& p, std::span<const float> vector,
                           std::span<float> packed) const {
    const auto words = mask_.words();
    float* value = packed.data();
    for (std::size_t w = p.first_word; w < p.last_word; ++w) {
        for (std::uint64_t bits = words[w]; bits != 0; bits &= bits - 1) {
            *value++ = vector[w * 64 + static_cast<std::size_t>(std::countr_zero(bits))];
        }
    }
}

void masked_exchange::unpack(const masked_piece& p, std::span<const float> packed,
                             std::span<float> vector) const {
    const auto words = mask_.words();
    const float* value = packed.data();
    for (std::size_t w = p.first_word; w < p.last_word; ++w) {
        for (std::uint64_t bits = words[w]; bits != 0; bits &= bits - 1) {
            vector[w * 64 + static_cast<std::size_t>(std::countr_zero(bits))] = *value++;
        }
    }
}

void masked_exchange::broadcast(communicator& c, int root, std::span<float> vector) const {
    check_length(vector.size(), mask_);
    std::vector<float> buffer(largest_);
    for (const masked_piece& p : pieces_) {
        const auto packed = std::span(buffer).first(p.values);
        if (c.rank() == root) {
            pack(p, vector, packed);
        }
        c.broadcast(root, std::as_writable_bytes(packed));
        if (c.rank() != root) {
            unpack(p, packed, vector);
        }
    }
}

void masked_exchange::sum(communicator& c, std::span<float> vector) const {
    check_length(vector.size(), mask_);
    sum_in_pieces(
        c, pieces_.size(), largest_, [&](std::size_t i) { return pieces_[i].values; },
        [&](std::size_t i, std::span<float> into) { pack(pieces_[i], vector, into); },
        [&](std::size_t i, std::span<const float> sum) { unpack(pieces_[i], sum, vector); });
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
