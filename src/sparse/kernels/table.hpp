// The inner loops, once per instruction set. kernel_body.hpp holds their source; kernels_*.cpp compile it.
#pragma once

#include "sparse/kernels/kernels.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace feddip::sparse::kernels {

// Output pixels whose sums are held in registers together.
struct tile_shape {
    int height;
    int width;
    constexpr int pixels() const { return height * width; }
};
inline constexpr std::array<tile_shape, 5> tile_shapes{{{4, 4}, {5, 5}, {4, 7}, {8, 1}, {2, 8}}};
// A slab row is this many vectors wider than a tile row.
inline constexpr std::array<int, 4> slab_margins{0, 1, 2, 4};

// One alive weight. `offset`, in bytes, leads from the slab's start to the input that the tile's first pixel
// reads.
struct weighted_tap {
    std::int32_t offset;
    float weight;
};

// A run of vectors copied from an image into each channel's part of the slab; source < 0 stands for zeros.
struct slab_run {
    std::int32_t source; // in vectors, from the channel's start
    std::int32_t target;
    std::int32_t count;
    std::int32_t step; // between source vectors
};

// The runs that the next slab will be packed from, fetched into the second-level cache piece by piece while
// this one is worked on. They lie too scattered for the processor to foresee.
struct prefetch_queue {
    const float* image;
    std::ptrdiff_t image_channel;
    int channels; // left
    const slab_run* runs;
    std::uint32_t run_count;
    std::uint32_t next_run;
    std::uint32_t runs_per_step; // a step: the work on one output channel
};

// What becomes of finished sums: out = sum, or out = max(0, sum).
enum class finish { store, rectify };

struct gather_arguments {
    const float* slab;
    const weighted_tap* taps;
    // Channel c owns the taps from first[groups * c] to first[groups * (c + 1)] - 1. Each group leads one row
    // further down; the first one leads the tile's row 0 to the image's row `image_row`.
    const std::uint32_t* first;
    int groups;
    int image_row; // with several groups only
    int image_height;
    int channels;
    int rows;             // of the tile that are wanted; the others' sums may hold anything
    const float* partial; // sums so far, [channels][pixels][16]; null: start from the bias
    const float* bias;    // null: 0
    float* out;
    std::ptrdiff_t out_channel; // strides, in floats
    std::ptrdiff_t out_row;
    std::ptrdiff_t out_column;
    finish how;
    bool far_output;      // it is not in a near cache
    prefetch_queue* next; // may be null
};

// The part of a tile that lies inside the output, from its partial sums.
struct copy_arguments {
    const float* partial;
    std::ptrdiff_t partial_row;
    std::ptrdiff_t partial_channel;
    float* out;
    std::ptrdiff_t out_channel;
    std::ptrdiff_t out_row;
    std::ptrdiff_t out_column;
    int channels;
    int height;
    int width;
    finish how;
};

struct gradient_arguments {
    const float* slab;
    const weighted_tap* taps;
    const std::uint32_t* first; // as above
    int groups;
    int channels;
    const float* gradient;           // of the output, pixel by pixel
    std::ptrdiff_t gradient_channel; // strides, in floats
    std::ptrdiff_t gradient_row;
    float* sums;          // [taps from first[0] on][16], added to
    bool fresh;           // sums are 0, whatever they hold
    prefetch_queue* next; // may be null
};

struct kernel_table {
    using gather_function = void (*)(const gather_arguments&);
    using gradient_function = void (*)(const gradient_arguments&);

    // By tile and slab margin.
    std::array<std::array<gather_function, slab_margins.size()>, tile_shapes.size()> gather;
    std::array<std::array<gradient_function, slab_margins.size()>, tile_shapes.size()> gradient;
    // For images of 4 rows and taps that lead one row up, nowhere or one row down: the slab has no rows of
    // zeros, and each channel's taps come in three groups (`first` has 3 entries per channel), each of which
    // skips the rows that it would add zeros to. Tile 4x4, margin 2.
    gather_function gather_clipped;
    gradient_function gradient_clipped;

    void (*copy_tile)(const copy_arguments&);
    void (*pack)(const float* image, std::ptrdiff_t image_channel, int channels, const slab_run* runs,
                 std::size_t run_count, float* slab, std::ptrdiff_t slab_channel);
    // totals[i] += sum of sums[i][0 .. 15]. Reads up to 15 rows past `count`.
    void (*reduce)(const float* sums, std::size_t count, float* totals);
    float (*sum)(const float* values, std::ptrdiff_t count); // a multiple of 16
};

const kernel_table& plain_kernels();
const kernel_table& avx2_kernels();
const kernel_table& avx512_kernels();
const kernel_table& kernels_for(instruction_set set);

} // namespace feddip::sparse::kernels
