// Loops over floats that oneDNN has no primitive for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace feddip::nn {

// diff_in[i] = out[i] > 0 ? diff_out[i] : 0; in place where diff_in == diff_out.
void relu_backward(const float* out, const float* diff_out, float* diff_in, std::size_t n);
// sum[i] = a[i] + b[i], negative sums as 0 where `relu`; in place where sum == a.
void add(const float* a, const float* b, float* sum, std::size_t n, bool relu);
// out[i] = kept[i] ? scale in[i] : 0; in place where out == in.
void scale_kept(const float* in, const std::uint8_t* kept, float scale, float* out, std::size_t n);
// sums[column] = the sum of matrix[row, column] over the rows, in their order.
void sum_rows(const float* matrix, std::size_t rows, std::size_t columns, float* sums);

} // namespace feddip::nn
