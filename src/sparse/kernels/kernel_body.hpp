// Source of the inner loops, written over GCC's vector extension and compiled once per instruction set: the
// including file defines FEDDIP_VECTOR_WIDTH, the number of floats in a register (16, 8 or 4), and
// FEDDIP_VECTOR_REGISTERS. A block of 16 samples is then 16 / width registers, walked one after the other.
#pragma once

#include "sparse/kernels/table.hpp"
#include "sparse/kernels/vector.hpp"

#include <algorithm>
#include <utility>

namespace feddip::sparse::kernels {
namespace {

FEDDIP_INLINE void put(float* out, vector sum, finish how) {
    store(out, how == finish::rectify ? positive(sum) : sum);
}

// A tile is worked on in groups of rows whose sums, or gradients, fit into the registers together, `spare`
// registers being left.
constexpr int groups_of(tile_shape tile, int spare) {
    const int rows = std::max(1, (FEDDIP_VECTOR_REGISTERS - spare) / tile.width);
    return (tile.height + rows - 1) / rows;
}
constexpr int top_of(tile_shape tile, int groups, int group) {
    return tile.height * group / groups;
}
// The weight alone: what it is multiplied with comes from memory.
constexpr int gather_groups(tile_shape tile) {
    return groups_of(tile, 1);
}
// The two chains of a sum.
constexpr int gradient_groups(tile_shape tile) {
    return groups_of(tile, 2);
}

// The rows [0, rows) of a register tile that see the image when the taps lead `shift` rows down from tile row
// `top`.
constexpr bool sees_image(int row, int shift) {
    return row + shift >= 0 && row + shift < 4;
}

template <int rows, int columns>
struct register_tile {
    vector at[rows][columns];
};

// Where the tap reads the tile's first pixel. The compiler is kept from taking the sum apart: it would hold
// each pixel's offset in a register of its own, and spill most of them.
FEDDIP_INLINE const float* tapped(const float* slab, const weighted_tap& tap) {
    const float* from = reinterpret_cast<const float*>(reinterpret_cast<const char*>(slab) + tap.offset);
    asm("" : "+r"(from));
    return from;
}

// tile += weight * slab for each tap. With `clipped`, tile row y is row top + y of a 4-row image.
template <int rows, int columns, int pitch, bool clipped, int top, int shift>
FEDDIP_INLINE void add_taps(register_tile<rows, columns>& tile, const float* slab, const weighted_tap* tap,
                            const weighted_tap* end) {
    for (; tap != end; ++tap) {
        const float* from = tapped(slab, *tap);
        const vector weight = splat(tap->weight);
        FEDDIP_UNROLL
        for (int y = 0; y < rows; ++y) {
            if (clipped && !sees_image(top + y, shift)) {
                continue;
            }
            FEDDIP_UNROLL
            for (int x = 0; x < columns; ++x) {
                tile.at[y][x] += weight * load(from + ((top + y + shift) * pitch + x) * lanes);
            }
        }
    }
}

template <int rows, int columns, typename Finish>
FEDDIP_INLINE void put(float* out, const gather_arguments& a, const register_tile<rows, columns>& tile,
                       Finish&& finished) {
    // Copies, for the compiler must assume that what is stored lies in `a`.
    const std::ptrdiff_t row = a.out_row;
    const std::ptrdiff_t column = a.out_column;
    FEDDIP_UNROLL
    for (int y = 0; y < rows; ++y) {
        FEDDIP_UNROLL
        for (int x = 0; x < columns; ++x) {
            float* to = out + y * row + x * column;
            store(to, finished(tile.at[y][x]));
        }
    }
}

// The groups of `channel`'s taps that lead one of the tile's rows [top, top + rows) into the image.
FEDDIP_INLINE std::pair<int, int> taps_into_image(const gather_arguments& a, int top, int rows) {
    return {std::max(0, 1 - a.image_row - top - rows),
            std::min(a.groups, a.image_height - a.image_row - top)};
}

template <tile_shape shape, int margin, bool clipped, int top, int rows>
FEDDIP_INLINE void gather_rows(const gather_arguments& a, int channel, int part) {
    constexpr int columns = shape.width;
    constexpr int pitch = columns + margin;
    register_tile<rows, columns> tile;
    if (a.partial != nullptr) {
        const float* from = a.partial + (channel * shape.pixels() + top * columns) * lanes + part * width;
        FEDDIP_UNROLL
        for (int y = 0; y < rows; ++y) {
            FEDDIP_UNROLL
            for (int x = 0; x < columns; ++x) {
                tile.at[y][x] = load(from + (y * columns + x) * lanes);
            }
        }
    } else {
        const vector start = splat(a.bias != nullptr ? a.bias[channel] : 0.0F);
        FEDDIP_UNROLL
        for (int y = 0; y < rows; ++y) {
            FEDDIP_UNROLL
            for (int x = 0; x < columns; ++x) {
                tile.at[y][x] = start;
            }
        }
    }
    const float* slab = a.slab + part * width;
    if constexpr (clipped) {
        const std::uint32_t* first = a.first + 3 * channel;
        add_taps<rows, columns, pitch, true, top, -1>(tile, slab, a.taps + first[0], a.taps + first[1]);
        add_taps<rows, columns, pitch, true, top, 0>(tile, slab, a.taps + first[1], a.taps + first[2]);
        add_taps<rows, columns, pitch, true, top, 1>(tile, slab, a.taps + first[2], a.taps + first[3]);
    } else {
        const std::uint32_t* first = a.first + a.groups * channel;
        const auto [begin, end] = taps_into_image(a, top, rows);
        if (begin < end) {
            add_taps<rows, columns, pitch, false, top, 0>(tile, slab, a.taps + first[begin],
                                                          a.taps + first[end]);
        }
    }
    float* out = a.out + channel * a.out_channel + top * a.out_row + part * width;
    // Decided once for all of them: at 25 taps the decisions would cost a tenth of the work.
    if (a.how == finish::rectify) {
        put(out, a, tile, [](vector sum) { return positive(sum); });
    } else {
        put(out, a, tile, [](vector sum) { return sum; });
    }
}

template <tile_shape shape, int margin, bool clipped, int top, int bottom>
FEDDIP_INLINE void gather_group(const gather_arguments& a, int channel, int part) {
    if (top < a.rows) {
        gather_rows<shape, margin, clipped, top, bottom - top>(a, channel, part);
    }
}

FEDDIP_INLINE void prefetch_step(prefetch_queue& queue) {
    for (std::uint32_t i = 0; i < queue.runs_per_step && queue.channels > 0; ++i) {
        const slab_run& run = queue.runs[queue.next_run];
        const float* from = queue.image + std::ptrdiff_t{lanes} * run.source;
        for (int vector_index = 0; run.source >= 0 && vector_index < run.count; ++vector_index) {
            __builtin_prefetch(from, 0, 2);
            from += run.step * lanes;
        }
        if (++queue.next_run == queue.run_count) {
            queue.next_run = 0;
            queue.image += queue.image_channel;
            --queue.channels;
        }
    }
}

// Where a channel's sums will be written.
template <tile_shape shape>
FEDDIP_INLINE void prefetch_output(const gather_arguments& a, int channel) {
    if (channel < a.channels) {
        const float* out = a.out + channel * a.out_channel;
        FEDDIP_UNROLL
        for (int y = 0; y < shape.height; ++y) {
            FEDDIP_UNROLL
            for (int x = 0; x < shape.width; ++x) {
                __builtin_prefetch(out + y * a.out_row + x * a.out_column, 1, 3);
            }
        }
    }
}

template <tile_shape shape, int margin, bool clipped>
void gather(const gather_arguments& a) {
    constexpr int groups = gather_groups(shape);
    for (int channel = 0; channel < a.channels; ++channel) {
        if (a.far_output) {
            prefetch_output<shape>(a, channel + 2);
        }
        for (int part = 0; part < parts; ++part) {
            [&]<int... group>(std::integer_sequence<int, group...>) {
                (gather_group<shape, margin, clipped, top_of(shape, groups, group),
                              top_of(shape, groups, group + 1)>(a, channel, part),
                 ...);
            }
            (std::make_integer_sequence<int, groups>{});
        }
        if (a.next != nullptr) {
            prefetch_step(*a.next);
        }
    }
}

// sums[i] += sum over the tile's pixels of gradient * slab, for each tap.
template <int rows, int columns, int pitch, bool clipped, int top, int shift>
FEDDIP_INLINE void multiply_taps(const register_tile<rows, columns>& gradient, const float* slab,
                                 const weighted_tap* tap, const weighted_tap* end, float* sums, bool fresh) {
    for (; tap != end; ++tap, sums += lanes) {
        const float* from = reinterpret_cast<const float*>(reinterpret_cast<const char*>(slab) + tap->offset);
        // Two chains, so that the latency of one addition does not set the pace.
        vector sum[2] = {fresh ? vector{} : load(sums), vector{}};
        FEDDIP_UNROLL
        for (int y = 0; y < rows; ++y) {
            if (clipped && !sees_image(top + y, shift)) {
                continue;
            }
            FEDDIP_UNROLL
            for (int x = 0; x < columns; ++x) {
                sum[(y * columns + x) % 2] +=
                    gradient.at[y][x] * load(from + ((top + y + shift) * pitch + x) * lanes);
            }
        }
        store(sums, sum[0] + sum[1]);
    }
}

template <tile_shape shape, int margin, bool clipped, int top, int rows>
FEDDIP_INLINE void gradient_rows(const gradient_arguments& a, int channel, int part) {
    constexpr int columns = shape.width;
    constexpr int pitch = columns + margin;
    register_tile<rows, columns> gradient;
    const float* from = a.gradient + channel * a.gradient_channel + top * a.gradient_row + part * width;
    FEDDIP_UNROLL
    for (int y = 0; y < rows; ++y) {
        FEDDIP_UNROLL
        for (int x = 0; x < columns; ++x) {
            gradient.at[y][x] = load(from + y * a.gradient_row + x * lanes);
        }
    }
    const float* slab = a.slab + part * width;
    float* sums = a.sums + part * width;
    const auto multiply = [&]<int shift>(std::integral_constant<int, shift>, std::uint32_t begin,
                                         std::uint32_t end) {
        multiply_taps<rows, columns, pitch, clipped, top, shift>(
            gradient, slab, a.taps + begin, a.taps + end, sums + std::size_t{begin - a.first[0]} * lanes,
            a.fresh && top == 0);
    };
    if constexpr (clipped) {
        const std::uint32_t* first = a.first + 3 * channel;
        multiply(std::integral_constant<int, -1>{}, first[0], first[1]);
        multiply(std::integral_constant<int, 0>{}, first[1], first[2]);
        multiply(std::integral_constant<int, 1>{}, first[2], first[3]);
    } else {
        multiply(std::integral_constant<int, 0>{}, a.first[a.groups * channel],
                 a.first[a.groups * (channel + 1)]);
    }
}

template <tile_shape shape, int margin, bool clipped>
void gradient(const gradient_arguments& a) {
    constexpr int groups = gradient_groups(shape);
    for (int channel = 0; channel < a.channels; ++channel) {
        for (int part = 0; part < parts; ++part) {
            [&]<int... group>(std::integer_sequence<int, group...>) {
                (gradient_rows<shape, margin, clipped, top_of(shape, groups, group),
                               top_of(shape, groups, group + 1) - top_of(shape, groups, group)>(a, channel,
                                                                                                part),
                 ...);
            }
            (std::make_integer_sequence<int, groups>{});
        }
        if (a.next != nullptr) {
            prefetch_step(*a.next);
        }
    }
}

void copy_tile(const copy_arguments& a) {
    for (int channel = 0; channel < a.channels; ++channel) {
        for (int y = 0; y < a.height; ++y) {
            const float* from = a.partial + channel * a.partial_channel + y * a.partial_row;
            float* to = a.out + channel * a.out_channel + y * a.out_row;
            for (int x = 0; x < a.width; ++x, from += lanes, to += a.out_column) {
                for (int part = 0; part < parts; ++part) {
                    put(to + part * width, load(from + part * width), a.how);
                }
            }
        }
    }
}

void pack(const float* image, std::ptrdiff_t image_channel, int channels, const slab_run* runs,
          std::size_t run_count, float* slab, std::ptrdiff_t slab_channel) {
    for (int channel = 0; channel < channels; ++channel) {
        for (std::size_t r = 0; r < run_count; ++r) {
            const slab_run run =
                runs[r]; // a copy, for the compiler must assume that what is stored lies there
            float* to = slab + run.target * lanes;
            if (run.source < 0) {
                for (int i = 0; i < run.count * lanes; i += width) {
                    store(to + i, vector{});
                }
                continue;
            }
            const float* from = image + std::ptrdiff_t{lanes} * run.source;
            for (int i = 0; i < run.count; ++i, from += run.step * lanes, to += lanes) {
                FEDDIP_UNROLL
                for (int part = 0; part < parts; ++part) {
                    store(to + part * width, load(from + part * width));
                }
            }
        }
        image += image_channel;
        slab += slab_channel;
    }
}

// One step of a butterfly: a and b hold blocks of 2 * half partial sums, the result blocks of `half` of them,
// those of a and b alternating.
template <int half>
FEDDIP_INLINE vector fold(vector a, vector b) {
    static constexpr auto low = [](int i) {
        const int block = i / half;
        return (block % 2) * width + (block / 2) * 2 * half + i % half;
    };
    constexpr auto high = [](int i) { return low(i) + half; };
    return shuffle<low>(a, b) + shuffle<high>(a, b);
}

template <int half>
FEDDIP_INLINE void fold_all(vector* rows) {
    if constexpr (half >= 1) {
        FEDDIP_UNROLL
        for (int i = 0; i < half; ++i) {
            rows[i] = fold<half>(rows[i], rows[i + half]);
        }
        fold_all<half / 2>(rows);
    }
}

void reduce(const float* sums, std::size_t count, float* totals) {
    for (std::size_t i = 0; i < count; i += width) {
        vector rows[width];
        FEDDIP_UNROLL
        for (int r = 0; r < width; ++r) {
            const float* row = sums + (i + static_cast<std::size_t>(r)) * lanes;
            rows[r] = load(row);
            FEDDIP_UNROLL
            for (int part = 1; part < parts; ++part) {
                rows[r] += load(row + part * width);
            }
        }
        fold_all<width / 2>(rows);
        const std::size_t valid = count - i;
        if (valid >= width) {
            *reinterpret_cast<unaligned_vector*>(totals + i) += rows[0];
            continue;
        }
        for (std::size_t r = 0; r < valid; ++r) {
            totals[i + r] += rows[0][r];
        }
    }
}

float sum(const float* values, std::ptrdiff_t count) {
    constexpr int chains = 8;
    vector sums[chains]{};
    std::ptrdiff_t i = 0;
    for (; i + chains * width <= count; i += chains * width) {
        FEDDIP_UNROLL
        for (int c = 0; c < chains; ++c) {
            sums[c] += load(values + i + c * width);
        }
    }
    for (; i < count; i += width) {
        sums[0] += load(values + i);
    }
    for (int c = 1; c < chains; ++c) {
        sums[0] += sums[c];
    }
    float total = 0.0F;
    for (int lane = 0; lane < width; ++lane) {
        total += sums[0][lane];
    }
    return total;
}

template <std::size_t tile, std::size_t... margin>
constexpr void fill_tile(kernel_table& table, std::index_sequence<margin...>) {
    ((table.gather[tile][margin] = gather<tile_shapes[tile], slab_margins[margin], false>), ...);
    ((table.gradient[tile][margin] = gradient<tile_shapes[tile], slab_margins[margin], false>), ...);
}

template <std::size_t... tile>
constexpr kernel_table make_table(std::index_sequence<tile...>) {
    kernel_table table{};
    (fill_tile<tile>(table, std::make_index_sequence<slab_margins.size()>{}), ...);
    table.gather_clipped = gather<tile_shape{4, 4}, 2, true>;
    table.gradient_clipped = gradient<tile_shape{4, 4}, 2, true>;
    table.copy_tile = copy_tile;
    table.pack = pack;
    table.reduce = reduce;
    table.sum = sum;
    return table;
}

constexpr kernel_table table = make_table(std::make_index_sequence<tile_shapes.size()>{});

} // namespace
} // namespace feddip::sparse::kernels
