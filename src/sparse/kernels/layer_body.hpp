// Source of the inner loops between the sparse layers, compiled once per instruction set (see vector.hpp).
#pragma once

#include "sparse/kernels/layer_table.hpp"
#include "sparse/kernels/vector.hpp"

#include <array>

namespace feddip::sparse::kernels {
namespace {

// Rows of 16 samples to columns: one step of a transposition by halves, for rows i and i + half.
template <int half>
FEDDIP_INLINE void interleave(vector& a, vector& b) {
    constexpr auto low = [](int i) { return (i / half) % 2 == 1 ? width + i - half : i; };
    constexpr auto high = [](int i) { return (i / half) % 2 == 1 ? width + i : i + half; };
    const vector first = shuffle<low>(a, b);
    b = shuffle<high>(a, b);
    a = first;
}

template <int half>
FEDDIP_INLINE void transpose(vector* rows) {
    if constexpr (half >= 1) {
        FEDDIP_UNROLL
        for (int i = 0; i < width; ++i) {
            if ((i / half) % 2 == 0) {
                interleave<half>(rows[i], rows[i + half]);
            }
        }
        transpose<half / 2>(rows);
    }
}

void to_block(const float* rows, float* block, int valid, int size) {
    int at = 0;
    for (; at + width <= size; at += width) {
        for (int part = 0; part < parts; ++part) {
            vector square[width];
            FEDDIP_UNROLL
            for (int r = 0; r < width; ++r) {
                const int sample = part * width + r;
                const float* from = rows + static_cast<std::ptrdiff_t>(sample) * size + at;
                square[r] = sample < valid ? *reinterpret_cast<const unaligned_vector*>(from) : vector{};
            }
            transpose<width / 2>(square);
            FEDDIP_UNROLL
            for (int r = 0; r < width; ++r) {
                store(block + (at + r) * lanes + part * width, square[r]);
            }
        }
    }
    for (; at < size; ++at) {
        for (int sample = 0; sample < lanes; ++sample) {
            block[at * lanes + sample] =
                sample < valid ? rows[static_cast<std::ptrdiff_t>(sample) * size + at] : 0.0F;
        }
    }
}

void from_block(const float* block, float* rows, int valid, int size) {
    int at = 0;
    for (; at + width <= size; at += width) {
        for (int part = 0; part < parts; ++part) {
            vector square[width];
            FEDDIP_UNROLL
            for (int r = 0; r < width; ++r) {
                square[r] = load(block + (at + r) * lanes + part * width);
            }
            transpose<width / 2>(square);
            FEDDIP_UNROLL
            for (int r = 0; r < width; ++r) {
                const int sample = part * width + r;
                if (sample < valid) {
                    *reinterpret_cast<unaligned_vector*>(rows + static_cast<std::ptrdiff_t>(sample) * size +
                                                         at) = square[r];
                }
            }
        }
    }
    for (; at < size; ++at) {
        for (int sample = 0; sample < valid; ++sample) {
            rows[static_cast<std::ptrdiff_t>(sample) * size + at] = block[at * lanes + sample];
        }
    }
}

void max_pool(const float* input, float* output, int height, int row_pixels) {
    for (int y = 0; y + 1 < height; y += 2) {
        const float* top = input + y * row_pixels * lanes;
        const float* bottom = top + row_pixels * lanes;
        for (int x = 0; x + 1 < row_pixels; x += 2, top += 2 * lanes, bottom += 2 * lanes, output += lanes) {
            FEDDIP_UNROLL
            for (int i = 0; i < lanes; i += width) {
                store(output + i, larger(larger(load(top + i), load(top + lanes + i)),
                                         larger(load(bottom + i), load(bottom + lanes + i))));
            }
        }
    }
}

void clear(float* values, std::ptrdiff_t count) {
    for (std::ptrdiff_t i = 0; i < count; i += width) {
        store(values + i, vector{});
    }
}

void max_pool_backward(const float* input, const float* output, const float* output_gradient,
                       float* input_gradient, int height, int row_pixels, bool through_relu) {
    const std::ptrdiff_t row = std::ptrdiff_t{lanes} * row_pixels;
    for (int y = 0; y + 1 < height; y += 2) {
        const float* from = input + y * row;
        float* to = input_gradient + y * row;
        for (int x = 0; x + 1 < row_pixels; x += 2, from += 2 * lanes, to += 2 * lanes) {
            FEDDIP_UNROLL
            for (int i = 0; i < lanes; i += width) {
                const vector maximum = load(output + i);
                vector left = load(output_gradient + i);
                if (through_relu) {
                    left = maximum > vector{} ? left : vector{};
                }
                const std::ptrdiff_t window[4] = {0, lanes, row, row + lanes};
                FEDDIP_UNROLL
                for (int w = 0; w < 4; ++w) {
                    const auto here = load(from + window[w] + i) == maximum;
                    store(to + window[w] + i, here ? left : vector{});
                    left = here ? vector{} : left;
                }
            }
            output += lanes;
            output_gradient += lanes;
        }
        if (row_pixels % 2 == 1) {
            clear(to, lanes);
            clear(to + row, lanes);
        }
    }
    if (height % 2 == 1) {
        clear(input_gradient + (height - 1) * row, row);
    }
}

void average_pool(const float* input, float* output, int pixels) {
    const vector share = splat(1.0F / static_cast<float>(pixels));
    for (int i = 0; i < lanes; i += width) {
        vector sum{};
        for (int pixel = 0; pixel < pixels; ++pixel) {
            sum += load(input + pixel * lanes + i);
        }
        store(output + i, sum * share);
    }
}

void average_pool_backward(const float* output_gradient, float* input_gradient, int pixels) {
    const vector share = splat(1.0F / static_cast<float>(pixels));
    for (int i = 0; i < lanes; i += width) {
        const vector gradient = load(output_gradient + i) * share;
        for (int pixel = 0; pixel < pixels; ++pixel) {
            store(input_gradient + pixel * lanes + i, gradient);
        }
    }
}

// 1 in the lanes of true samples, else 0.
struct lane_weights {
    explicit lane_weights(int valid) {
        for (int lane = 0; lane < lanes; ++lane) {
            at[lane / width][lane % width] = lane < valid ? 1.0F : 0.0F;
        }
    }
    vector at[parts];
};

FEDDIP_INLINE double lane_sum(vector v) {
    double total = 0;
    for (int i = 0; i < width; ++i) {
        total += double{v[i]};
    }
    return total;
}

template <int count>
struct vectors {
    vector at[count]{};
};

// Sums over the channel of the `count` vectors that value(offset in floats) returns. Each block is summed in
// single precision, in several chains, and the blocks' sums in double precision.
template <int count, typename F>
FEDDIP_INLINE std::array<double, count> sum_over(const channel_blocks& at, F&& value) {
    constexpr int chains = 4;
    std::array<double, count> totals{};
    for (int block = 0; block < at.blocks; ++block) {
        const lane_weights weights(block + 1 < at.blocks ? lanes : at.last_lanes);
        for (int part = 0; part < parts; ++part) {
            const std::ptrdiff_t start = block * at.stride + part * width;
            vectors<count> sums[chains];
            const auto add = [&](int chain, int pixel) {
                const vectors<count> here = value(start + pixel * lanes);
                FEDDIP_UNROLL
                for (int i = 0; i < count; ++i) {
                    sums[chain].at[i] += here.at[i];
                }
            };
            int pixel = 0;
            for (; pixel + chains <= at.pixels; pixel += chains) {
                FEDDIP_UNROLL
                for (int chain = 0; chain < chains; ++chain) {
                    add(chain, pixel + chain);
                }
            }
            for (; pixel < at.pixels; ++pixel) {
                add(0, pixel);
            }
            for (int i = 0; i < count; ++i) {
                const vector sum = (sums[0].at[i] + sums[1].at[i]) + (sums[2].at[i] + sums[3].at[i]);
                totals[static_cast<std::size_t>(i)] += lane_sum(sum * weights.at[part]);
            }
        }
    }
    return totals;
}

double channel_sum(const channel_blocks& at, const float* x) {
    return sum_over<1>(at, [&](std::ptrdiff_t i) { return vectors<1>{{load(x + i)}}; })[0];
}

double squared_distance(const channel_blocks& at, const float* x, float mean) {
    const vector center = splat(mean);
    return sum_over<1>(at, [&](std::ptrdiff_t i) {
        const vector d = load(x + i) - center;
        return vectors<1>{{d * d}};
    })[0];
}

FEDDIP_INLINE vector gradient_at(const rectified_gradient& g, std::ptrdiff_t i) {
    const vector gradient = load(g.gradient + i);
    return g.output != nullptr ? (load(g.output + i) > vector{} ? gradient : vector{}) : gradient;
}

gradient_moments moments(const channel_blocks& at, const float* x, const rectified_gradient& g, float mean) {
    const vector center = splat(mean);
    const auto sums = sum_over<2>(at, [&](std::ptrdiff_t i) {
        const vector gradient = gradient_at(g, i);
        return vectors<2>{{gradient, gradient * (load(x + i) - center)}};
    });
    return {.sum = sums[0], .weighted = sums[1]};
}

template <bool has_residual, bool rectify>
void affine_as(const channel_blocks& at, const float* x, const float* residual, float* y, float scale,
               float shift) {
    const vector factor = splat(scale);
    const vector offset = splat(shift);
    for (int block = 0; block < at.blocks; ++block) {
        const std::ptrdiff_t start = block * at.stride;
        for (std::ptrdiff_t i = start; i < start + at.pixels * lanes; i += width) {
            vector value = load(x + i) * factor + offset;
            if constexpr (has_residual) {
                value += load(residual + i);
            }
            store(y + i, rectify ? positive(value) : value);
        }
    }
}

void affine(const channel_blocks& at, const float* x, const float* residual, float* y, float scale,
            float shift, bool rectify) {
    const auto function = residual != nullptr ? (rectify ? affine_as<true, true> : affine_as<true, false>)
                                              : (rectify ? affine_as<false, true> : affine_as<false, false>);
    function(at, x, residual, y, scale, shift);
}

void affine_backward(const channel_blocks& at, const float* x, const rectified_gradient& g, float mean,
                     float a, float b, float c, float* dx, float* residual_gradient) {
    const vector center = splat(mean);
    for (int block = 0; block < at.blocks; ++block) {
        const lane_weights weights(block + 1 < at.blocks ? lanes : at.last_lanes);
        const std::ptrdiff_t start = block * at.stride;
        for (int part = 0; part < parts; ++part) {
            const vector weight = weights.at[part];
            for (int pixel = 0; pixel < at.pixels; ++pixel) {
                const std::ptrdiff_t i = start + pixel * lanes + part * width;
                const vector gradient = gradient_at(g, i);
                store(dx + i, weight * (a * gradient + b * (load(x + i) - center) + c));
                if (residual_gradient != nullptr) {
                    store(residual_gradient + i, gradient);
                }
            }
        }
    }
}

// Adds to sums[k][lane] what the `count` vectors that value(offset in floats, part) returns sum to over a
// channel's pixels: in single precision, in several chains.
template <int count, typename F>
FEDDIP_INLINE void add_lane_sums(int pixels, double* const (&sums)[count], F&& value) {
    constexpr int chains = 4;
    for (int part = 0; part < parts; ++part) {
        vectors<count> chain[chains];
        for (int pixel = 0; pixel < pixels; ++pixel) {
            const vectors<count> here = value(pixel * lanes + part * width, part);
            FEDDIP_UNROLL
            for (int k = 0; k < count; ++k) {
                chain[pixel % chains].at[k] += here.at[k];
            }
        }
        for (int k = 0; k < count; ++k) {
            const vector sum = (chain[0].at[k] + chain[1].at[k]) + (chain[2].at[k] + chain[3].at[k]);
            for (int i = 0; i < width; ++i) {
                sums[k][part * width + i] += double{sum[i]};
            }
        }
    }
}

void lane_sums(const float* x, int pixels, double* sums) {
    add_lane_sums<1>(pixels, {sums}, [&](std::ptrdiff_t i, int) { return vectors<1>{{load(x + i)}}; });
}

void lane_squared_distances(const float* x, int pixels, const float* mean, double* sums) {
    add_lane_sums<1>(pixels, {sums}, [&](std::ptrdiff_t i, int part) {
        const vector d = load(x + i) - load(mean + part * width);
        return vectors<1>{{d * d}};
    });
}

void lane_moments(const float* x, const rectified_gradient& g, int pixels, const float* mean, double* sums,
                  double* weighted) {
    add_lane_sums<2>(pixels, {sums, weighted}, [&](std::ptrdiff_t i, int part) {
        const vector gradient = gradient_at(g, i);
        return vectors<2>{{gradient, gradient * (load(x + i) - load(mean + part * width))}};
    });
}

void lane_affine(const float* x, float* y, int pixels, const float* scale, const float* shift, bool rectify) {
    for (int pixel = 0; pixel < pixels; ++pixel) {
        for (int part = 0; part < parts; ++part) {
            const int i = pixel * lanes + part * width;
            const vector value = load(x + i) * load(scale + part * width) + load(shift + part * width);
            store(y + i, rectify ? positive(value) : value);
        }
    }
}

void lane_affine_backward(const float* x, const rectified_gradient& g, int pixels, const float* mean,
                          const float* a, const float* b, const float* c, float* dx) {
    for (int pixel = 0; pixel < pixels; ++pixel) {
        for (int part = 0; part < parts; ++part) {
            const int i = pixel * lanes + part * width;
            const int lane = part * width;
            store(dx + i, load(a + lane) * gradient_at(g, i) +
                              load(b + lane) * (load(x + i) - load(mean + lane)) + load(c + lane));
        }
    }
}

constexpr layer_table layers{
    .to_block = to_block,
    .from_block = from_block,
    .max_pool = max_pool,
    .max_pool_backward = max_pool_backward,
    .average_pool = average_pool,
    .average_pool_backward = average_pool_backward,
    .sum = channel_sum,
    .squared_distance = squared_distance,
    .moments = moments,
    .affine = affine,
    .affine_backward = affine_backward,
    .lane_sums = lane_sums,
    .lane_squared_distances = lane_squared_distances,
    .lane_moments = lane_moments,
    .lane_affine = lane_affine,
    .lane_affine_backward = lane_affine_backward,
};

} // namespace
} // namespace feddip::sparse::kernels
