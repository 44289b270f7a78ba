#include "base/error.hpp"
#include "base/random.hpp"
#include "sparse/sparse_vector.hpp"
#include "sparse/start.hpp"
#include "unit/sparse/layouts.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

using feddip::parameter_layout;
using feddip::random_stream;
using feddip::sparse::decode_vector;
using feddip::sparse::encode;
using feddip::sparse::mask;
using feddip::sparse::random_mask;
using feddip::sparse::sparse_vector;
using feddip::sparse::sum;

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

        const sparse_vector both = sum(a, b);

        const std::vector<float> in_a = dense(a), in_b = dense(b), in_both = dense(both);
        for (std::size_t i = 0; i < in_both.size(); ++i) {
            ASSERT_EQ(both.support[i], a.support[i] || b.support[i]);
            ASSERT_EQ(in_both[i], in_a[i] + in_b[i]);
        }
    }
}

TEST(sparse_vector, comes_back_from_its_bytes) {
    const parameter_layout layout = feddip::test::lenet5_weights();
    random_stream random(2, 1, 0, feddip::purpose::test);
    const mask base = random_vector(layout, 0.1, random).support;
    for (const double density : {0.0, 0.1, 1.0}) {
        const sparse_vector v = random_vector(layout, density, random);
        EXPECT_EQ(decode_vector(encode(v, layout, nullptr), layout, nullptr), v);
        EXPECT_EQ(decode_vector(encode(v, layout, &base), layout, &base), v);
    }
}

TEST(sparse_vector, positions_alike_to_the_base_cost_next_to_nothing) {
    const parameter_layout layout = feddip::test::lenet5_weights();
    random_stream random(2, 2, 0, feddip::purpose::test);
    const sparse_vector v = random_vector(layout, 0.1, random);

    EXPECT_LT(encode(v, layout, &v.support).size(), v.values.size() * sizeof(float) + 32);
}

TEST(sparse_vector, damaged_bytes_are_an_error) {
    const parameter_layout layout = feddip::test::lenet5_weights();
    random_stream random(2, 3, 0, feddip::purpose::test);
    std::vector<std::byte> bytes = encode(random_vector(layout, 0.1, random), layout, nullptr);

    for (const std::size_t length : {std::size_t{0}, std::size_t{3}, std::size_t{100}, bytes.size() - 1}) {
        EXPECT_THROW(decode_vector(std::span(bytes).first(length), layout, nullptr), feddip::error);
    }
    bytes[3] = std::byte{0x7F}; // the positions' length, beyond the end
    EXPECT_THROW(decode_vector(bytes, layout, nullptr), feddip::error);
}

} // namespace
