#include "fl/aggregation/gram.hpp"

#include "fl/packing.hpp"
#include "nn/vectorized.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace feddip::fl {

namespace {

constexpr std::size_t block = slicer::block;

// Eight sums side by side, whatever the instruction set. Products of floats are exact in double precision.
FEDDIP_VECTORIZED double inner_product(const float* a, const float* b) {
    constexpr std::size_t lanes = 8;
    double sums[lanes] = {};
    for (std::size_t i = 0; i < block; i += lanes) {
        for (std::size_t l = 0; l < lanes; ++l) {
            sums[l] += static_cast<double>(a[i + l]) * static_cast<double>(b[i + l]);
        }
    }
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// Finite for any two finite weights.
float change(float sent, float kept) {
    constexpr double largest = std::numeric_limits<float>::max();
    return static_cast<float>(std::clamp(static_cast<double>(sent) - kept, -largest, largest));
}

// The triangles of this rank's blocks.
class block_products {
public:
    block_products(std::span<const update_slice> updates, const slicer& slices, coordinate_range range)
        : updates_(updates), slices_(slices), range_(range), next_(updates.size()),
          changes_(updates.size() * block) {}

    // To be asked for ascending blocks, each once.
    std::vector<double> of(std::size_t number) {
        const std::size_t first = number * block;
        const std::size_t last = std::min({first + block, range_.last, slices_.weights()});
        std::ranges::fill(changes_, 0.0F);
        for (std::size_t u = 0; u < updates_.size(); ++u) {
            const auto& sent = updates_[u].sent;
            for (std::size_t i = first; i < last; ++i) {
                if (sent.support[i - range_.first]) {
                    changes_[u * block + i - first] = change(sent.values[next_[u]++], slices_.kept(i));
                }
            }
        }
        std::vector<double> triangle;
        for (std::size_t u = 0; u < updates_.size(); ++u) {
            for (std::size_t v = 0; v <= u; ++v) {
                triangle.push_back(inner_product(&changes_[u * block], &changes_[v * block]));
            }
        }
        return triangle;
    }

private:
    std::span<const update_slice> updates_;
    const slicer& slices_;
    coordinate_range range_;
    std::vector<std::size_t> next_; // value of each update
    std::vector<float> changes_;    // [updates][block]
};

// Node [2^j i, 2^j (i + 1)) of the tree over blocks is the sum of its halves, left + right.
struct node {
    std::size_t first, width;

    node left() const { return {first, width / 2}; }
    node right() const { return {first + width / 2, width / 2}; }
    std::size_t last(std::size_t blocks) const { return std::min(first + width, blocks); }
};

void add(std::vector<double>& sum, const std::vector<double>& right) {
    std::ranges::transform(sum, right, sum.begin(), std::plus{});
}

// `whole` says of a node whether `make` has its sum.
template <typename Whole, typename Make>
std::vector<double> sum_of(node at, std::size_t blocks, const Whole& whole, const Make& make) {
    if (whole(at)) {
        return make(at);
    }
    auto sum = sum_of(at.left(), blocks, whole, make);
    if (at.right().first < blocks) {
        add(sum, sum_of(at.right(), blocks, whole, make));
    }
    return sum;
}

// The largest nodes whose blocks are all of one rank, ascending.
void nodes_of(node at, coordinate_range mine, std::size_t blocks, std::vector<node>& found) {
    if (at.first >= mine.last || at.last(blocks) <= mine.first) {
        return;
    }
    if (at.first >= mine.first && at.last(blocks) <= mine.last) {
        found.push_back(at);
        return;
    }
    nodes_of(at.left(), mine, blocks, found);
    nodes_of(at.right(), mine, blocks, found);
}

} // namespace

double gram::squared_distance(std::size_t u, std::size_t v) const {
    return std::max(0.0, (*this)(u, u) + (*this)(v, v) - 2 * (*this)(u, v));
}

std::vector<double> gram::distances_from(std::span<const double> coefficients) const {
    std::vector<double> with_point(size());
    double of_point = 0;
    for (std::size_t u = 0; u < size(); ++u) {
        for (std::size_t v = 0; v < size(); ++v) {
            with_point[u] += coefficients[v] * (*this)(u, v);
        }
        of_point += coefficients[u] * with_point[u];
    }
    std::vector<double> distances(size());
    for (std::size_t u = 0; u < size(); ++u) {
        distances[u] = std::sqrt(std::max(0.0, (*this)(u, u) - 2 * with_point[u] + of_point));
    }
    return distances;
}

gram inner_products(std::span<const update_slice> updates, const slicer& slices, transport& ranks) {
    const std::size_t blocks = (slices.weights() + block - 1) / block;
    const node root{0, std::bit_ceil(blocks)};
    const auto blocks_of = [&](int rank) {
        const auto range = slices.range_of(rank);
        return coordinate_range{std::min(range.first / block, blocks),
                                std::min((range.last + block - 1) / block, blocks)};
    };

    block_products products(updates, slices, slices.range_of(ranks.rank()));
    std::vector<node> mine;
    nodes_of(root, blocks_of(ranks.rank()), blocks, mine);
    std::vector<double> sums;
    for (const auto& n : mine) {
        const auto sum = sum_of(
            n, blocks, [](node at) { return at.width == 1; }, [&](node at) { return products.of(at.first); });
        sums.insert(sums.end(), sum.begin(), sum.end());
    }

    std::vector<double> all;
    for (const auto& part : ranks.gather(std::as_bytes(std::span<const double>(sums)))) {
        std::ranges::copy(take_rest<double>(part), std::back_inserter(all));
    }
    if (ranks.rank() != 0) {
        return {0, {}};
    }
    std::vector<node> nodes; // whose sums `all` has, ascending
    for (int rank = 0; rank < ranks.size(); ++rank) {
        nodes_of(root, blocks_of(rank), blocks, nodes);
    }
    const std::size_t length = updates.size() * (updates.size() + 1) / 2;
    std::size_t next = 0;
    auto triangle = sum_of(
        root, blocks, [&](node at) { return at.first == nodes[next].first && at.width == nodes[next].width; },
        [&](node) {
            const auto begin = all.begin() + static_cast<std::ptrdiff_t>(length * next++);
            return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(length));
        });
    return {updates.size(), std::move(triangle)};
}

} // namespace feddip::fl
