#include "sparse/magnitude.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace feddip::sparse {

namespace {

std::size_t pruned_count(std::size_t size, double sparsity) {
    return static_cast<std::size_t>(std::llround(sparsity * static_cast<double>(size)));
}

// Non-negative floats are ordered as their bits are.
std::uint32_t magnitude_bits(float value) {
    return std::bit_cast<std::uint32_t>(value) & 0x7fffffffU;
}

// The magnitude (as bits) of rank `rank` (0 = smallest), and how many values are strictly smaller: a radix
// selection of 11, 10 and 10 bits, so that the data is read four times whatever it is.
struct selection {
    std::uint32_t threshold = 0;
    std::size_t smaller = 0;
};

selection select(std::span<const float> values, std::size_t rank) {
    selection found;
    std::uint32_t known_bits = 0; // which bits of `threshold` are settled
    for (const auto& [shift, width] : {std::pair{20U, 11U}, {10U, 10U}, {0U, 10U}}) {
        std::vector<std::size_t> histogram(std::size_t{1} << width);
        for (const float value : values) {
            const std::uint32_t bits = magnitude_bits(value);
            if ((bits & known_bits) == found.threshold) {
                ++histogram[(bits >> shift) & ((1U << width) - 1)];
            }
        }
        std::uint32_t bucket = 0;
        while (found.smaller + histogram[bucket] <= rank) {
            found.smaller += histogram[bucket++];
        }
        found.threshold |= bucket << shift;
        known_bits |= ((1U << width) - 1) << shift;
    }
    return found;
}

} // namespace

mask prune_smallest(std::span<const float> values, double sparsity) {
    return keep_largest(values, values.size() - pruned_count(values.size(), sparsity));
}

mask keep_largest(std::span<const float> values, std::size_t count) {
    const std::size_t pruned = values.size() - count;
    if (pruned == 0 || pruned == values.size()) {
        return {values.size(), pruned == 0};
    }
    const selection last = select(values, pruned - 1);
    std::size_t ties_to_prune = pruned - last.smaller;

    mask alive(values.size(), false);
    const auto words = alive.words();
    for (std::size_t w = 0; w < words.size(); ++w) {
        const std::size_t first = w * 64;
        const std::size_t length = std::min<std::size_t>(64, values.size() - first);
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < length; ++i) {
            const std::uint32_t bits = magnitude_bits(values[first + i]);
            bool keep = bits > last.threshold;
            if (bits == last.threshold) {
                keep = ties_to_prune == 0;
                ties_to_prune -= keep ? 0 : 1;
            }
            word |= std::uint64_t{keep} << i;
        }
        words[w] = word;
    }
    return alive;
}

mask keep_largest_per_layer(const parameter_layout& layout, std::span<const float> values,
                            std::span<const std::size_t> counts) {
    mask alive(layout.prunable_size(), false);
    for (std::size_t l = 0; l < counts.size(); ++l) {
        const auto& p = layout.weights()[l];
        keep_largest(values.subspan(p.offset, p.size), counts[l]).for_each_alive([&](std::size_t i) {
            alive.set(p.offset + i, true);
        });
    }
    return alive;
}

mask drop_smallest_per_layer(const parameter_layout& layout, std::span<const float> values, const mask& alive,
                             double share) {
    return drop_smallest_per_layer(layout, values, alive,
                                   std::vector<double>(layout.weights().size(), share));
}

mask drop_smallest_per_layer(const parameter_layout& layout, std::span<const float> values, const mask& alive,
                             std::span<const double> shares) {
    mask kept(alive.size(), false);
    for (std::size_t l = 0; l < shares.size(); ++l) {
        const auto& p = layout.weights()[l];
        std::vector<std::size_t> positions;
        std::vector<float> weights;
        for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
            if (alive[i]) {
                positions.push_back(i);
                weights.push_back(values[i]);
            }
        }
        const auto dropped = static_cast<std::size_t>(shares[l] * static_cast<double>(weights.size()));
        keep_largest(weights, weights.size() - dropped).for_each_alive([&](std::size_t k) {
            kept.set(positions[k], true);
        });
    }
    return kept;
}

mask regrow_largest(std::span<const float> values, const mask& alive, std::size_t count, std::size_t fresh) {
    std::vector<std::size_t> old_ones, new_ones;
    for (std::size_t i = 0; i < values.size(); ++i) {
        (alive[i] ? old_ones : new_ones).push_back(i);
    }
    const auto wanted = std::min({fresh, count, new_ones.size()});
    const auto kept = std::min(count - wanted, old_ones.size());
    mask grown(values.size(), false);
    const auto keep = [&](const std::vector<std::size_t>& among, std::size_t of_them) {
        std::vector<float> some;
        for (const std::size_t i : among) {
            some.push_back(values[i]);
        }
        keep_largest(some, of_them).for_each_alive([&](std::size_t k) { grown.set(among[k], true); });
    };
    keep(old_ones, kept);
    keep(new_ones, count - kept);
    return grown;
}

mask prune_smallest_above_floor(const parameter_layout& layout, std::span<const float> values,
                                double sparsity, double least) {
    std::vector<std::size_t> floors;
    for (const auto& p : layout.weights()) {
        const auto pruned = std::ranges::count(values.subspan(p.offset, p.size), 0.0F);
        floors.push_back(std::min(static_cast<std::size_t>(least * static_cast<double>(p.size)),
                                  p.size - static_cast<std::size_t>(pruned)));
    }
    std::vector<float> rank(values.begin(), values.end());
    keep_largest_per_layer(layout, values, floors).for_each_alive([&](std::size_t i) {
        rank[i] = std::numeric_limits<float>::max();
    });
    return prune_smallest(rank, sparsity);
}

mask prune_smallest_reference(std::span<const float> values, double sparsity) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return std::fabs(values[i]); });
    mask alive(values.size(), true);
    for (std::size_t i = 0; i < pruned_count(values.size(), sparsity); ++i) {
        alive.set(order[i], false);
    }
    return alive;
}

} // namespace feddip::sparse
