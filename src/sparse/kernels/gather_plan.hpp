// One pass of a sparse convolution as a plan: which weights add which shifted input channel to which output
// channel, in the order in which the kernels walk them.
//
// The output is cut into tiles whose sums stay in registers. For each tile, a block of input channels at a
// time is copied into a slab (the tile's surroundings, zeros outside the image) small enough for the
// first-level cache, and every output channel adds its taps into that block:
//
//     for each tile: for each block of input channels: pack the slab; for each output channel: tile += its
//     taps
//
// A convolution's forward pass is one plan; its input gradient is one plan per stride phase, over the output
// gradient.
#pragma once

#include "sparse/kernels/aligned.hpp"
#include "sparse/kernels/table.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace feddip::sparse::kernels {

// out[out][y][x] += weights[rank] * in[in][y * step + dy][x * step + dx], 0 outside the input.
struct tap {
    std::int32_t in;
    std::int32_t out;
    std::int32_t dy;
    std::int32_t dx;
    std::uint32_t rank; // of the weight among the alive ones, in mask order
};

// Where pixel (y, x) of a channel lies: channel_index * channel + y * row + x, in vectors of 16 samples.
struct pixel_order {
    int channel;
    int row;
};

struct gather_shape {
    int in_channels, in_height, in_width;
    pixel_order in_order;
    int out_channels, out_height, out_width; // of the output tensor
    pixel_order out_order;
    int step;                         // between the inputs of neighbouring outputs
    int phase_y, phase_x, phase_step; // the plan computes output pixels phase + phase_step * (0, 1, ...)
    int first_shift_y, last_shift_y;  // range of dy over all taps that the mask could hold
    int first_shift_x, last_shift_x;
};

class gather_plan {
public:
    gather_plan(const gather_shape& shape, const std::vector<tap>& taps);

    std::size_t size() const { return taps_.size(); } // alive weights
    int tile_count() const { return static_cast<int>(tiles_.size()); }
    void load_weights(const float* alive_values);
    // Changes the number of rows of input and output, up to those of the shape; for plans that keep them the
    // same.
    void resize_rows(int rows);

    std::size_t workspace() const; // floats that one thread needs for `gather` or `add_gradients`

    // One tile of one block of 16 samples: out = taps * in + bias, finished as told.
    void gather(const kernel_table& kernels, int tile, const float* in, const float* bias, float* out,
                finish how, float* workspace) const;

    // Weight gradients, where the plan is a forward pass with phase_step 1. Sums are kept for the taps of the
    // output channels [first_channel, last_channel) alone, so that threads share nothing.
    struct gradient_sums {
        int first_channel = 0;
        int last_channel = 0;
        bool keeps_lanes = false; // `lanes` holds 16 partial sums for each tap over the whole pass
        aligned_floats partial;
        std::vector<std::uint32_t> block_start; // of each input block in `totals`
        std::vector<float> totals;              // one per tap of these channels, by block and channel
    };
    gradient_sums make_sums(int first_channel, int last_channel) const;
    // Adds one tile's share of the gradients; `bias` (first_channel .. last_channel) may be null.
    void add_gradients(const kernel_table& kernels, int tile, const float* in, const float* out_gradient,
                       gradient_sums& sums, float* workspace) const;
    // Writes the totals to their places among the alive weights and sets them to 0.
    void store_gradients(const kernel_table& kernels, gradient_sums& sums, float* alive_gradient) const;

private:
    struct placed_tile {
        int y, x;
        bool whole;                    // no part of it lies outside the output
        std::uint32_t first_run, runs; // in runs_
    };

    const std::uint32_t* first_tap(int block, int channel) const {
        return first_.data() + (std::size_t(block) * shape_.out_channels + channel) * groups_;
    }
    int block_channels(int block) const;
    std::ptrdiff_t out_pixel(int channel, int y, int x) const; // of the phase; in floats from the start
    void choose_tile(std::size_t alive);
    void choose_blocks(std::size_t alive);
    void place_taps(const std::vector<tap>& taps);
    void place_tiles();
    void add_row_runs(int out_x, int in_y, int phase_x, int slab_row);
    void pack(const kernel_table& kernels, int tile, int block, const float* in, float* slab) const;
    // For the slab that follows (tile, block), whose work has `steps` steps; null channels where there is
    // none.
    prefetch_queue prefetch_after(int tile, int block, const float* in, int steps) const;
    void copy_tile(const kernel_table& kernels, const placed_tile& at, const float* partial, float* out,
                   finish how) const;
    void copy_gradient_tile(const placed_tile& at, const float* out_gradient, int first_channel,
                            int last_channel, float* partial) const;

    gather_shape shape_;
    int rows_, columns_; // output pixels of the phase
    std::size_t tile_index_ = 0;
    std::size_t margin_index_ = 0;
    bool clipped_ = false;
    std::uint32_t groups_ = 1; // per output channel and block
    int planes_y_ = 1, planes_x_ = 1;
    int slab_rows_ = 0, pitch_ = 0;
    std::ptrdiff_t slab_channel_ = 0; // floats
    int channels_per_block_ = 0;
    int blocks_ = 0;
    bool prefetches_ = false;
    bool far_output_ = false;

    std::vector<weighted_tap> taps_;  // by input block, output channel, group
    std::vector<std::uint32_t> rank_; // of each tap
    std::vector<std::uint32_t> first_;
    std::vector<placed_tile> tiles_;
    std::vector<slab_run> runs_;
};

} // namespace feddip::sparse::kernels
