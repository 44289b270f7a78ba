#include "nn/pooling_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace feddip::nn {

namespace {

std::size_t in_size(const pooling_shape& s) {
    return s.height * s.width * s.channels;
}
std::size_t out_size(const pooling_shape& s) {
    return s.out_height() * s.out_width() * s.channels;
}

// Calls f(corner) for each pixel of the output, in order: where its window starts in the input, in floats.
template <typename F>
void for_each_window(const pooling_shape& s, F&& f) {
    for (std::size_t y = 0; y < s.out_height(); ++y) {
        for (std::size_t x = 0; x < s.out_width(); ++x) {
            f((y * s.width + x) * s.window * s.channels);
        }
    }
}

void clear_border(const pooling_shape& s, float* diff_in) {
    const std::size_t used_width = s.out_width() * s.window;
    for (std::size_t y = 0; y < s.height; ++y) {
        const std::size_t used = y < s.out_height() * s.window ? used_width : 0;
        float* const row = diff_in + y * s.width * s.channels;
        std::fill(row + used * s.channels, row + s.width * s.channels, 0.0F);
    }
}

void forward_plain(const pooling_shape& s, bool relu, const float* in, float* out, std::uint8_t* position) {
    for_each_window(s, [&](std::size_t corner) {
        for (std::size_t c = 0; c < s.channels; ++c) {
            float best = in[corner + c];
            std::uint8_t taken = 0;
            for (std::size_t k = 1; k < s.window * s.window; ++k) {
                const float value = in[corner + (k / s.window * s.width + k % s.window) * s.channels + c];
                if (value > best || std::isnan(value)) {
                    best = value;
                    taken = static_cast<std::uint8_t>(k);
                }
            }
            *out++ = best;
            if (position != nullptr) {
                *position++ = relu && best <= 0.0F ? no_position : taken;
            }
        }
    });
}

void backward_plain(const pooling_shape& s, const float* diff_out, const std::uint8_t* position,
                    float* diff_in) {
    for_each_window(s, [&](std::size_t corner) {
        for (std::size_t k = 0; k < s.window * s.window; ++k) {
            float* const to = diff_in + corner + (k / s.window * s.width + k % s.window) * s.channels;
            for (std::size_t c = 0; c < s.channels; ++c) {
                to[c] = position[c] == k ? diff_out[c] : 0.0F;
            }
        }
        diff_out += s.channels;
        position += s.channels;
    });
    clear_border(s, diff_in);
}

#if defined(__x86_64__)

#define FEDDIP_AVX2 [[gnu::target("avx2")]]

// The first `n` lanes, of 8.
FEDDIP_AVX2
inline __m256i first_lanes(std::size_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}

// Their masked store is slow on some processors.
FEDDIP_AVX2
inline void store_first(float* to, __m256 values, std::size_t n) {
    if (n == 8) {
        _mm256_storeu_ps(to, values);
        return;
    }
    __m128 left = _mm256_castps256_ps128(values);
    if ((n & 4) != 0) {
        _mm_storeu_ps(to, left);
        left = _mm256_extractf128_ps(values, 1);
        to += 4;
    }
    if ((n & 2) != 0) {
        _mm_storel_pi(reinterpret_cast<__m64*>(to), left);
        left = _mm_movehl_ps(left, left);
        to += 2;
    }
    if ((n & 1) != 0) {
        _mm_store_ss(to, left);
    }
}

FEDDIP_AVX2
inline void store_first(std::uint8_t* to, __m256i values, std::size_t n) {
    const __m256i bytes = _mm256_and_si256(values, _mm256_set1_epi32(0xFF));
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    const std::int64_t packed = _mm_cvtsi128_si64(_mm_packus_epi16(words, words));
    std::memcpy(to, &packed, n);
}

// `n` channels of one window's output pixel, 8 at most.
FEDDIP_AVX2
inline void forward_window(const pooling_shape& s, bool relu, std::size_t n, const float* corner, float* out,
                           std::uint8_t* position) {
    const __m256i lanes = first_lanes(n);
    __m256 best = _mm256_maskload_ps(corner, lanes);
    __m256i taken = _mm256_setzero_si256();
    int k = 0;
    for (std::size_t y = 0; y < s.window; ++y) {
        for (std::size_t x = 0; x < s.window; ++x, ++k) {
            const __m256 value = _mm256_maskload_ps(corner + (y * s.width + x) * s.channels, lanes);
            const __m256 better = _mm256_or_ps(_mm256_cmp_ps(value, best, _CMP_GT_OQ),
                                               _mm256_cmp_ps(value, value, _CMP_UNORD_Q));
            best = _mm256_blendv_ps(best, value, better);
            taken = _mm256_blendv_epi8(taken, _mm256_set1_epi32(k), _mm256_castps_si256(better));
        }
    }
    store_first(out, best, n);
    if (position != nullptr) {
        const __m256 off = _mm256_cmp_ps(best, _mm256_setzero_ps(), _CMP_LE_OQ); // no_position is all ones
        store_first(position, relu ? _mm256_or_si256(taken, _mm256_castps_si256(off)) : taken, n);
    }
}

FEDDIP_AVX2
void forward_avx2(const pooling_shape& s, bool relu, const float* in, float* out, std::uint8_t* position) {
    for (std::size_t y = 0; y < s.out_height(); ++y) {
        for (std::size_t x = 0; x < s.out_width(); ++x) {
            const float* const corner = in + (y * s.width + x) * s.window * s.channels;
            for (std::size_t c = 0; c < s.channels; c += 8) {
                forward_window(s, relu, std::min<std::size_t>(8, s.channels - c), corner + c, out + c,
                               position == nullptr ? nullptr : position + c);
            }
            out += s.channels;
            position += position != nullptr ? s.channels : 0;
        }
    }
}

FEDDIP_AVX2
inline void backward_window(const pooling_shape& s, std::size_t n, const float* diff_out,
                            const std::uint8_t* position, float* corner) {
    const __m256 diff = _mm256_maskload_ps(diff_out, first_lanes(n));
    const __m256i taken = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(position)));
    int k = 0;
    for (std::size_t y = 0; y < s.window; ++y) {
        for (std::size_t x = 0; x < s.window; ++x, ++k) {
            const __m256i hit = _mm256_cmpeq_epi32(taken, _mm256_set1_epi32(k));
            store_first(corner + (y * s.width + x) * s.channels,
                        _mm256_and_ps(_mm256_castsi256_ps(hit), diff), n);
        }
    }
}

FEDDIP_AVX2
void backward_avx2(const pooling_shape& s, const float* diff_out, const std::uint8_t* position,
                   float* diff_in) {
    for (std::size_t y = 0; y < s.out_height(); ++y) {
        for (std::size_t x = 0; x < s.out_width(); ++x) {
            float* const corner = diff_in + (y * s.width + x) * s.window * s.channels;
            for (std::size_t c = 0; c < s.channels; c += 8) {
                backward_window(s, std::min<std::size_t>(8, s.channels - c), diff_out + c, position + c,
                                corner + c);
            }
            diff_out += s.channels;
            position += s.channels;
        }
    }
    clear_border(s, diff_in);
}

#define FEDDIP_AVX512 [[gnu::target("avx512f")]]

// The channels from c on of a pixel of `n`, 16 at most, as a mask of lanes.
FEDDIP_AVX512
inline __mmask16 lanes_from(std::size_t c, std::size_t n) {
    return static_cast<__mmask16>(n - c >= 16 ? 0xFFFFU : (1U << (n - c)) - 1U);
}

// The channels of one window's output pixel that `lanes` says.
FEDDIP_AVX512
inline void forward_window(const pooling_shape& s, bool relu, __mmask16 lanes, const float* corner,
                           float* out, std::uint8_t* position) {
    __m512 best = _mm512_maskz_loadu_ps(lanes, corner);
    __m512i taken = _mm512_setzero_si512();
    int k = 0;
    for (std::size_t y = 0; y < s.window; ++y) {
        for (std::size_t x = 0; x < s.window; ++x, ++k) {
            const __m512 value = _mm512_maskz_loadu_ps(lanes, corner + (y * s.width + x) * s.channels);
            const auto better = static_cast<__mmask16>(_mm512_cmp_ps_mask(value, best, _CMP_GT_OQ) |
                                                       _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q));
            best = _mm512_mask_mov_ps(best, better, value);
            taken = _mm512_mask_mov_epi32(taken, better, _mm512_set1_epi32(k));
        }
    }
    _mm512_mask_storeu_ps(out, lanes, best);
    if (position != nullptr) {
        const __mmask16 off = relu ? _mm512_cmp_ps_mask(best, _mm512_setzero_ps(), _CMP_LE_OQ) : __mmask16{0};
        taken = _mm512_mask_mov_epi32(taken, off, _mm512_set1_epi32(no_position));
        _mm512_mask_cvtepi32_storeu_epi8(position, lanes, taken);
    }
}

FEDDIP_AVX512
void forward_avx512(const pooling_shape& s, bool relu, const float* in, float* out, std::uint8_t* position) {
    for (std::size_t y = 0; y < s.out_height(); ++y) {
        for (std::size_t x = 0; x < s.out_width(); ++x) {
            const float* const corner = in + (y * s.width + x) * s.window * s.channels;
            for (std::size_t c = 0; c < s.channels; c += 16) {
                forward_window(s, relu, lanes_from(c, s.channels), corner + c, out + c,
                               position == nullptr ? nullptr : position + c);
            }
            out += s.channels;
            position += position != nullptr ? s.channels : 0;
        }
    }
}

FEDDIP_AVX512
inline void backward_window(const pooling_shape& s, __mmask16 lanes, const float* diff_out,
                            const std::uint8_t* position, float* corner) {
    const __m512 diff = _mm512_maskz_loadu_ps(lanes, diff_out);
    const __m512i taken =
        _mm512_maskz_cvtepu8_epi32(lanes, _mm_loadu_si128(reinterpret_cast<const __m128i*>(position)));
    int k = 0;
    for (std::size_t y = 0; y < s.window; ++y) {
        for (std::size_t x = 0; x < s.window; ++x, ++k) {
            const __mmask16 hit = _mm512_cmpeq_epi32_mask(taken, _mm512_set1_epi32(k));
            _mm512_mask_storeu_ps(corner + (y * s.width + x) * s.channels, lanes,
                                  _mm512_maskz_mov_ps(hit, diff));
        }
    }
}

FEDDIP_AVX512
void backward_avx512(const pooling_shape& s, const float* diff_out, const std::uint8_t* position,
                     float* diff_in) {
    for (std::size_t y = 0; y < s.out_height(); ++y) {
        for (std::size_t x = 0; x < s.out_width(); ++x) {
            float* const corner = diff_in + (y * s.width + x) * s.window * s.channels;
            for (std::size_t c = 0; c < s.channels; c += 16) {
                backward_window(s, lanes_from(c, s.channels), diff_out + c, position + c, corner + c);
            }
            diff_out += s.channels;
            position += s.channels;
        }
    }
    clear_border(s, diff_in);
}

struct kernels {
    decltype(&forward_plain) forward;
    decltype(&backward_plain) backward;
};

kernels best_kernels() {
    if (__builtin_cpu_supports("avx512f") != 0) {
        return {forward_avx512, backward_avx512};
    }
    return __builtin_cpu_supports("avx2") != 0 ? kernels{forward_avx2, backward_avx2}
                                               : kernels{forward_plain, backward_plain};
}

const kernels best = best_kernels();
const auto forward_image = best.forward;
const auto backward_image = best.backward;

#else

constexpr auto forward_image = forward_plain;
constexpr auto backward_image = backward_plain;

#endif

} // namespace

void max_pool_forward(const pooling_shape& s, bool relu, const float* in, float* out,
                      std::uint8_t* position) {
#pragma omp parallel for schedule(static)
    for (std::size_t i = 0; i < s.images; ++i) {
        forward_image(s, relu, in + i * in_size(s), out + i * out_size(s),
                      position == nullptr ? nullptr : position + i * out_size(s));
    }
}

void max_pool_backward(const pooling_shape& s, const float* diff_out, const std::uint8_t* position,
                       float* diff_in) {
#pragma omp parallel for schedule(static)
    for (std::size_t i = 0; i < s.images; ++i) {
        backward_image(s, diff_out + i * out_size(s), position + i * out_size(s), diff_in + i * in_size(s));
    }
}

} // namespace feddip::nn
