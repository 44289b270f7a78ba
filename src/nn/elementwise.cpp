#include "nn/elementwise.hpp"

#include "nn/chunks.hpp"
#include "nn/vectorized.hpp"

#include <bit>
#include <cstdint>

namespace feddip::nn {

namespace {

FEDDIP_VECTORIZED
void relu_backward_range(const float* out, const float* diff_out, float* diff_in, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        diff_in[i] = out[i] > 0.0F ? diff_out[i] : 0.0F;
    }
}

FEDDIP_VECTORIZED
void add_range(const float* a, const float* b, float* sum, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        sum[i] = a[i] + b[i];
    }
}

FEDDIP_VECTORIZED
void add_relu_range(const float* a, const float* b, float* sum, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        const float total = a[i] + b[i];
        sum[i] = total < 0.0F ? 0.0F : total; // a NaN stays one
    }
}

FEDDIP_VECTORIZED
void scale_kept_range(const float* in, const std::uint8_t* kept, float scale, float* out, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        // As bits, for a choice would become a branch, which random bits lead astray half of the time.
        const std::uint32_t mask = kept[i] != 0 ? ~std::uint32_t{0} : 0;
        out[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(scale * in[i]) & mask);
    }
}

FEDDIP_VECTORIZED
void sum_rows_range(const float* matrix, std::size_t rows, std::size_t columns, float* sums, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        sums[i] = 0;
    }
    for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t i = 0; i < n; ++i) {
            sums[i] += matrix[row * columns + i];
        }
    }
}

} // namespace

void relu_backward(const float* out, const float* diff_out, float* diff_in, std::size_t n) {
    in_chunks(n, [=](std::size_t /*chunk*/, std::size_t first, std::size_t length) {
        relu_backward_range(out + first, diff_out + first, diff_in + first, length);
    });
}

void add(const float* a, const float* b, float* sum, std::size_t n, bool relu) {
    in_chunks(n, [=](std::size_t /*chunk*/, std::size_t first, std::size_t length) {
        (relu ? add_relu_range : add_range)(a + first, b + first, sum + first, length);
    });
}

void scale_kept(const float* in, const std::uint8_t* kept, float scale, float* out, std::size_t n) {
    in_chunks(n, [=](std::size_t /*chunk*/, std::size_t first, std::size_t length) {
        scale_kept_range(in + first, kept + first, scale, out + first, length);
    });
}

void sum_rows(const float* matrix, std::size_t rows, std::size_t columns, float* sums) {
    in_chunks(columns, [=](std::size_t /*chunk*/, std::size_t first, std::size_t length) {
        sum_rows_range(matrix + first, rows, columns, sums + first, length);
    });
}

} // namespace feddip::nn
