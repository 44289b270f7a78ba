// A vector register, over the vector extension of GCC and clang. Files that include this are compiled once
// per instruction set: the including file defines FEDDIP_VECTOR_WIDTH, the number of floats in a register
// (16, 8 or 4), and FEDDIP_VECTOR_REGISTERS. A block of 16 samples is then 16 / width registers, walked one
// after the other.
#pragma once

#include "sparse/kernels/kernels.hpp"

#include <utility>

#if defined(__AVX__) && FEDDIP_VECTOR_WIDTH == 8
#include <immintrin.h>
#endif

#define FEDDIP_INLINE inline __attribute__((always_inline))
#define FEDDIP_UNROLL _Pragma("GCC unroll 32")

namespace feddip::sparse::kernels {
namespace {

constexpr int width = FEDDIP_VECTOR_WIDTH;
constexpr int parts = lanes / width;
typedef float vector __attribute__((vector_size(width * sizeof(float)), __may_alias__));
typedef float unaligned_vector __attribute__((vector_size(width * sizeof(float)), __may_alias__, aligned(4)));

FEDDIP_INLINE vector splat(float value) {
    return value - vector{};
}
FEDDIP_INLINE vector load(const float* from) {
    return *reinterpret_cast<const vector*>(from);
}
FEDDIP_INLINE void store(float* to, vector value) {
    *reinterpret_cast<vector*>(to) = value;
}
// Element i of the result is element index(i) of `a` followed by `b`.
template <auto index, int... i>
FEDDIP_INLINE vector shuffle(vector a, vector b, std::integer_sequence<int, i...>) {
    return __builtin_shufflevector(a, b, index(i)...);
}
template <auto index>
FEDDIP_INLINE vector shuffle(vector a, vector b) {
    return shuffle<index>(a, b, std::make_integer_sequence<int, width>());
}
// a > b ? a : b, which GCC makes two instructions of.
FEDDIP_INLINE vector larger(vector a, vector b) {
#if defined(__AVX__) && FEDDIP_VECTOR_WIDTH == 8
    return reinterpret_cast<vector>(_mm256_max_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
#else
    return a > b ? a : b;
#endif
}
FEDDIP_INLINE vector positive(vector value) {
    return larger(value, vector{});
}

} // namespace
} // namespace feddip::sparse::kernels
