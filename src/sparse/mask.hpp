// Which of the prunable weights are alive. A mask covers the first layout.prunable_size() floats of the
// flat buffer, in buffer order, one bit each; bits past the end of the last word are 0.
#pragma once

#include "base/layout.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::sparse {

class mask {
public:
    mask() = default;
    // All alive, or all pruned.
    mask(std::size_t size, bool alive);

    std::size_t size() const { return size_; }
    std::size_t count() const; // alive weights
    std::size_t count(std::size_t first, std::size_t length) const;
    double sparsity() const; // share of zeros; 0 for an empty mask

    bool operator[](std::size_t i) const { return (words_[i / 64] >> (i % 64)) & 1U; }
    void set(std::size_t i, bool alive) {
        const std::uint64_t bit = std::uint64_t{1} << (i % 64);
        words_[i / 64] = alive ? words_[i / 64] | bit : words_[i / 64] & ~bit;
    }

    std::span<const std::uint64_t> words() const { return words_; }
    std::span<std::uint64_t> words() { return words_; } // the caller keeps the bits past the end 0

    bool operator==(const mask&) const = default;

    // Calls f(i) for each alive weight, in ascending order.
    template <typename F>
    void for_each_alive(F&& f) const {
        for (std::size_t w = 0; w < words_.size(); ++w) {
            for (std::uint64_t bits = words_[w]; bits != 0; bits &= bits - 1) {
                f(w * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
            }
        }
    }

private:
    std::size_t size_ = 0;
    std::vector<std::uint64_t> words_;
};

// Null where all are alive.
inline const mask* unless_whole(const mask& m) {
    return m.count() == m.size() ? nullptr : &m;
}

// values[i] = 0 where m[i] is pruned. `values` has m.size() floats.
void apply(const mask& m, std::span<float> values);
// target[i] = m[i] ? source[i] : 0.
void apply(const mask& m, std::span<const float> source, std::span<float> target);

// The alive values in mask order, and back. `packed` has m.count() floats; unpack sets pruned ones to 0.
void pack(const mask& m, std::span<const float> values, std::span<float> packed);
void unpack(const mask& m, std::span<const float> packed, std::span<float> values);

// |a xor b| / size: the share of weights whose state differs.
double change(const mask& a, const mask& b);

// 1 - |a and b| / |a or b|; 0 where nothing is alive.
double jaccard_distance(const mask& a, const mask& b);

// What is alive in either is alive in `into`; both of one size.
void unite(const mask& m, mask& into);

// Density of each prunable tensor, in layout order.
std::vector<double> layer_densities(const mask& m, const parameter_layout& layout);

} // namespace feddip::sparse
