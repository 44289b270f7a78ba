#include "base/random.hpp"
#include "sparse/sparse_vector.hpp"
#include "sparse/start.hpp"
#include "unit/sparse/layouts.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

namespace {

using feddip::parameter_layout;
using feddip::random_stream;
using feddip::sparse::mask;
using feddip::sparse::random_mask;
using feddip::sparse::sparse_vector;
using feddip::sparse::sum;
using feddip::sparse::sum_plain;

sparse_vector random_vector(const parameter_layout& layout, double density, random_stream& random) {
    sparse_vector v{random_mask(layout, std::vector<double>(layout.weights().size(), density), random), {}};
    v.values.resize(v.support.count());
    for (float& value : v.values) {
        value = random.uniform() - 0.5F;
    }
    return v;
}

std::vector<float> dense(const sparse_vector& v) {
    std::vector<float> values(v.support.size());
    unpack(v.support, v.values, values);
    return values;
}

TEST(sparse_vector, a_sum_is_that_of_the_dense_vectors_on_the_union) {
    const parameter_layout layout = feddip::test::lenet5_weights();
    random_stream random(2, 0, 0, feddip::purpose::test);
    for (const double density : {0.0, 0.05, 0.6, 1.0}) {
        const sparse_vector a = random_vector(layout, density, random);
        const sparse_vector b = random_vector(layout, 0.3, random);

        const sparse_vector both = sum_plain(a, b);

        const std::vector<float> in_a = dense(a), in_b = dense(b), in_both = dense(both);
        for (std::size_t i = 0; i < in_both.size(); ++i) {
            ASSERT_EQ(both.support[i], a.support[i] || b.support[i]);
            ASSERT_EQ(in_both[i], in_a[i] + in_b[i]);
        }
    }
}

// Sizes that are no multiples of anything, all densities, and values that a sum of zero and them would
// change.
TEST(sparse_vector, the_fast_sum_gives_the_bits_of_the_plain_one) {
    random_stream random(2, 1, 0, feddip::purpose::test);
    const auto vector_of = [&](std::size_t size, double density) {
        sparse_vector v{mask(size, false), {}};
        for (std::size_t i = 0; i < size; ++i) {
            v.support.set(i, random.uniform() < density);
        }
        for (std::size_t left = v.support.count(); left > 0; --left) {
            const std::uint32_t kind = random.below(8);
            v.values.push_back(kind == 0   ? -0.0F
                               : kind == 1 ? 0.0F
                               : kind == 2 ? std::numeric_limits<float>::quiet_NaN()
                               : kind == 3 ? std::numeric_limits<float>::denorm_min()
                               : kind == 4 ? -std::numeric_limits<float>::infinity()
                                           : random.uniform() - 0.5F);
        }
        return v;
    };
    const auto bits_of = [](const std::vector<float>& values) {
        std::vector<std::uint32_t> bits;
        for (const float value : values) {
            bits.push_back(std::bit_cast<std::uint32_t>(value));
        }
        return bits;
    };
    for (const std::size_t size : {0, 1, 63, 64, 65, 4095, 4096, 4097, 30'011}) {
        for (const double density : {0.0, 0.001, 0.05, 0.3, 0.9, 1.0}) {
            for (const double other : {0.0, 0.02, 0.5, 1.0}) {
                const sparse_vector a = vector_of(size, density);
                const sparse_vector b = vector_of(size, other);
                const sparse_vector expected = sum_plain(a, b);
                const sparse_vector both = sum(a, b);
                ASSERT_EQ(both.support, expected.support) << size << " " << density << " " << other;
                ASSERT_EQ(bits_of(both.values), bits_of(expected.values))
                    << size << " " << density << " " << other;
            }
        }
    }
}

} // namespace
