// The loops of sparse_vector.cpp's sum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace feddip::sparse {

// Where a sum of two vectors stands: the words of their supports, the values that are left of each, and the
// room that is left for those of the sum.
struct words_to_sum {
    std::span<const std::uint64_t> in_a, in_b;
    std::span<const float> a, b;
    std::span<float> sum;
};

// Both do all that is left.
void sum_words_plain(words_to_sum& left);
#if defined(__x86_64__)
void sum_words_avx2(words_to_sum& left);
#endif

} // namespace feddip::sparse
