// Random tensors, in plain order and in blocks of 16 samples, and how far two of them are apart.
#pragma once

#include "base/random.hpp"
#include "sparse/kernels/aligned.hpp"
#include "sparse/kernels/kernels.hpp"
#include "sparse/mask.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace feddip::test {

using sparse::kernels::aligned_floats;
using sparse::kernels::lanes;

inline std::vector<float> random_floats(std::size_t size, std::uint32_t stream) {
    random_stream random(7, stream, 0, purpose::test);
    std::vector<float> values(size);
    for (float& v : values) {
        v = 2.0F * random.uniform() - 1.0F;
    }
    return values;
}

inline sparse::mask random_mask(std::size_t size, double density, std::uint32_t stream) {
    random_stream random(7, stream, 1, purpose::test);
    sparse::mask m(size, false);
    for (std::size_t i = 0; i < size; ++i) {
        m.set(i, random.uniform_double() < density);
    }
    return m;
}

// The alive ones of the weights, which are bits first_bit, ... of the mask, in its order.
inline std::vector<float> packed(std::span<const float> weights, const sparse::mask& alive,
                                 std::size_t first_bit) {
    std::vector<float> values;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        if (alive[first_bit + i]) {
            values.push_back(weights[i]);
        }
    }
    return values;
}

// The weights with other values for the alive ones.
inline std::vector<float> with_packed(std::vector<float> weights, std::span<const float> values,
                                      const sparse::mask& alive, std::size_t first_bit) {
    auto value = values.begin();
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weights[i] = alive[first_bit + i] ? *value++ : weights[i];
    }
    return weights;
}

// Written lane by lane, unlike to_blocks. `filler` goes to the lanes past the last sample.
inline aligned_floats blocked(std::span<const float> plain, int samples, float filler) {
    const std::size_t size = plain.size() / static_cast<std::size_t>(samples);
    const int blocks = sparse::kernels::blocks_of(samples);
    aligned_floats result(std::size_t(blocks) * size * lanes);
    std::fill_n(result.data(), result.size(), filler);
    for (std::size_t i = 0; i < plain.size(); ++i) {
        const std::size_t sample = i / size;
        result.data()[(sample / lanes * size + i % size) * lanes + sample % lanes] = plain[i];
    }
    return result;
}

inline std::vector<float> unblocked(const aligned_floats& tensor, int samples) {
    const std::size_t size =
        tensor.size() / static_cast<std::size_t>(sparse::kernels::blocks_of(samples)) / lanes;
    std::vector<float> result(size * samples);
    for (std::size_t i = 0; i < result.size(); ++i) {
        const std::size_t sample = i / size;
        result[i] = tensor.data()[(sample / lanes * size + i % size) * lanes + sample % lanes];
    }
    return result;
}

// The largest value in a lane past the last sample.
inline float largest_in_padding(const aligned_floats& tensor, int samples) {
    const int blocks = sparse::kernels::blocks_of(samples);
    const std::size_t size = tensor.size() / static_cast<std::size_t>(blocks);
    float largest = 0.0F;
    for (std::size_t i = tensor.size() - size; i < tensor.size(); ++i) {
        const bool padding = (blocks - 1) * lanes + static_cast<int>(i % lanes) >= samples;
        largest = padding ? std::max(largest, std::abs(tensor.data()[i])) : largest;
    }
    return largest;
}

// Largest difference, relative to the largest expected value.
inline double relative_error(std::span<const float> actual, std::span<const float> expected) {
    double difference = actual.size() == expected.size() ? 0.0 : HUGE_VAL;
    double largest = 1e-30;
    for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
        const double here = std::abs(double{actual[i]} - double{expected[i]});
        difference = here <= difference ? difference : here; // NaN counts as a difference
        largest = std::max(largest, std::abs(double{expected[i]}));
    }
    return difference / largest;
}

inline double relative_error(const aligned_floats& actual, std::span<const float> expected, int samples) {
    return relative_error(unblocked(actual, samples), expected);
}

// That what is computed in several ways is the same each time, to the bit.
class same_bits {
public:
    template <typename... Arrays>
    void expect(const Arrays&... arrays) {
        std::vector<float> all;
        (all.insert(all.end(), arrays.data(), arrays.data() + arrays.size()), ...);
        if (first_.empty()) {
            first_ = all;
        }
        EXPECT_TRUE(all == first_); // too many to print
    }

private:
    std::vector<float> first_;
};

} // namespace feddip::test
