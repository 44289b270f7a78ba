#include "sparse/kernels/gather_plan.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace feddip::sparse::kernels {

namespace {

// Bytes, for a first-level cache of 48 KiB and a second-level cache of 2 MiB; found by measurement.
constexpr std::size_t slab_budget = 36 * 1024;
constexpr std::size_t largest_slab = 512 * 1024;
constexpr std::size_t lane_sums_budget = 256 * 1024;
constexpr std::size_t near_tensor = 512 * 1024; // smaller ones stay in the second-level cache by themselves

constexpr std::size_t products_wanted =
    224; // per output channel and block: they make up for reloading the sums
constexpr std::size_t taps_per_reduction = 256; // 16 KiB of partial sums
constexpr std::size_t few_taps_per_channel = 150;
// Shifts that span fewer rows hardly ever lead all rows of a group out of the image.
constexpr int least_span_of_groups = 3;
constexpr std::size_t flat_tile = 4; // in tile_shapes
constexpr std::size_t prefetched_taps = 256;

int divided_up(int a, int b) {
    return (a + b - 1) / b;
}

} // namespace

gather_plan::gather_plan(const gather_shape& shape, const std::vector<tap>& taps)
    : shape_(shape), rows_(divided_up(shape.out_height - shape.phase_y, shape.phase_step)),
      columns_(divided_up(shape.out_width - shape.phase_x, shape.phase_step)) {
    choose_tile(taps.size());
    choose_blocks(taps.size());
    place_taps(taps);
    place_tiles();
}

int gather_plan::block_channels(int block) const {
    return std::min(channels_per_block_, shape_.in_channels - block * channels_per_block_);
}

std::ptrdiff_t gather_plan::out_pixel(int channel, int y, int x) const {
    const int out_y = shape_.phase_y + y * shape_.phase_step;
    const int out_x = shape_.phase_x + x * shape_.phase_step;
    return (std::ptrdiff_t{1} * channel * shape_.out_order.channel + out_y * shape_.out_order.row + out_x) *
           lanes;
}

void gather_plan::choose_tile(std::size_t alive) {
    // The least work, unused sums at the borders included.
    const auto cost = [&](std::size_t index) {
        const tile_shape& t = tile_shapes[index];
        return divided_up(rows_, t.height) * divided_up(columns_, t.width) * (2 * t.pixels() + 3);
    };
    for (std::size_t i = 1; i < tile_shapes.size(); ++i) {
        if (cost(i) < cost(tile_index_)) {
            tile_index_ = i;
        }
    }
    // Where there is little to add up, memory sets the pace, and longer rows suit it.
    const bool few_taps = alive < few_taps_per_channel * static_cast<std::size_t>(shape_.out_channels);
    if (few_taps && columns_ >= 2 * tile_shapes[flat_tile].width && cost(flat_tile) == cost(tile_index_)) {
        tile_index_ = flat_tile;
    }
    const tile_shape tile = tile_shapes[tile_index_];
    const int span_y = shape_.last_shift_y - shape_.first_shift_y;
    const int span_x = shape_.last_shift_x - shape_.first_shift_x;
    planes_y_ = std::min(shape_.step, span_y + 1);
    planes_x_ = std::min(shape_.step, span_x + 1);
    const int margin = span_x / shape_.step;
    const auto found =
        std::find_if(slab_margins.begin(), slab_margins.end(), [&](int m) { return m >= margin; });
    if (found == slab_margins.end()) {
        throw error("cannot compile a sparse convolution", "kernel", "larger than 5x5");
    }
    margin_index_ = static_cast<std::size_t>(found - slab_margins.begin());
    pitch_ = tile.width + *found;
    clipped_ = tile_index_ == 0 && *found == 2 && shape_.step == 1 && rows_ == 4 && shape_.in_height == 4 &&
               shape_.first_shift_y == -1 && shape_.last_shift_y == 1;
    groups_ = 1;
    if (clipped_ || (shape_.step == 1 && span_y >= least_span_of_groups)) {
        groups_ = static_cast<std::uint32_t>(span_y) + 1;
    }
    slab_rows_ = clipped_ ? 4 : tile.height + span_y / shape_.step;
    slab_channel_ = std::ptrdiff_t{1} * planes_y_ * planes_x_ * slab_rows_ * pitch_ * lanes;
}

void gather_plan::choose_blocks(std::size_t alive) {
    const std::size_t bytes = static_cast<std::size_t>(slab_channel_) * sizeof(float);
    const std::size_t pairs = std::size_t(shape_.in_channels) * shape_.out_channels;
    const std::size_t taps_wanted =
        products_wanted / static_cast<std::size_t>(tile_shapes[tile_index_].pixels());
    std::size_t channels = slab_budget / bytes;
    if (alive > 0) {
        channels = std::max(channels, std::min(taps_wanted * pairs / alive, largest_slab / bytes));
    }
    channels = std::clamp<std::size_t>(channels, 1, shape_.in_channels);
    blocks_ = divided_up(shape_.in_channels, static_cast<int>(channels));
    channels_per_block_ = divided_up(shape_.in_channels, blocks_);
    blocks_ = divided_up(shape_.in_channels, channels_per_block_);
    const std::size_t vectors = std::size_t(shape_.in_channels) * shape_.in_height * shape_.in_width;
    const std::size_t out_vectors = std::size_t(shape_.out_channels) * shape_.out_height * shape_.out_width;
    far_output_ = out_vectors * lanes * sizeof(float) > near_tensor;
    prefetches_ = vectors * lanes * sizeof(float) > near_tensor;
}

void gather_plan::place_taps(const std::vector<tap>& taps) {
    const auto bucket = [&](const tap& t) {
        const std::size_t owner = std::size_t(t.in / channels_per_block_) * shape_.out_channels + t.out;
        return owner * groups_ + (groups_ > 1 ? t.dy - shape_.first_shift_y : 0);
    };
    first_.assign(std::size_t(blocks_) * shape_.out_channels * groups_ + 1, 0);
    for (const tap& t : taps) {
        ++first_[bucket(t) + 1];
    }
    for (std::size_t i = 1; i < first_.size(); ++i) {
        first_[i] += first_[i - 1];
    }
    taps_.resize(taps.size());
    rank_.resize(taps.size());
    std::vector<std::uint32_t> next(first_.begin(), first_.end() - 1);
    for (const tap& t : taps) {
        const int from_y = clipped_ ? 0 : t.dy - shape_.first_shift_y;
        const int from_x = t.dx - shape_.first_shift_x;
        const int plane = (from_y % shape_.step) * planes_x_ + from_x % shape_.step;
        const int vector = (plane * slab_rows_ + from_y / shape_.step) * pitch_ + from_x / shape_.step;
        const std::ptrdiff_t floats = (t.in % channels_per_block_) * slab_channel_ + vector * lanes;
        const std::uint32_t at = next[bucket(t)]++;
        taps_[at] = {static_cast<std::int32_t>(floats * std::ptrdiff_t{sizeof(float)}), 0.0F};
        rank_[at] = t.rank;
    }
}

void gather_plan::resize_rows(int rows) {
    if (rows != rows_) {
        rows_ = shape_.in_height = shape_.out_height = rows;
        place_tiles();
    }
}

void gather_plan::place_tiles() {
    tiles_.clear();
    runs_.clear();
    const tile_shape tile = tile_shapes[tile_index_];
    for (int y = 0; y < rows_; y += tile.height) {
        for (int x = 0; x < columns_; x += tile.width) {
            const bool whole = y + tile.height <= rows_ && x + tile.width <= columns_;
            const auto first = static_cast<std::uint32_t>(runs_.size());
            for (int plane_y = 0; plane_y < planes_y_; ++plane_y) {
                for (int plane_x = 0; plane_x < planes_x_; ++plane_x) {
                    for (int row = 0; row < slab_rows_; ++row) {
                        const int in_y =
                            clipped_ ? row : (y + row) * shape_.step + shape_.first_shift_y + plane_y;
                        add_row_runs(x, in_y, plane_x, (plane_y * planes_x_ + plane_x) * slab_rows_ + row);
                    }
                }
            }
            tiles_.push_back({y, x, whole, first, static_cast<std::uint32_t>(runs_.size()) - first});
        }
    }
}

void gather_plan::add_row_runs(int out_x, int in_y, int plane_x, int slab_row) {
    const int target = slab_row * pitch_;
    if (in_y < 0 || in_y >= shape_.in_height) {
        runs_.push_back({-1, target, pitch_, 1});
        return;
    }
    const auto inside = [&](int column) {
        const int x = (out_x + column) * shape_.step + shape_.first_shift_x + plane_x;
        return x >= 0 && x < shape_.in_width;
    };
    for (int column = 0; column < pitch_;) {
        int end = column;
        while (end < pitch_ && inside(end) == inside(column)) {
            ++end;
        }
        const int in_x = (out_x + column) * shape_.step + shape_.first_shift_x + plane_x;
        const int source = inside(column) ? in_y * shape_.in_order.row + in_x : -1;
        runs_.push_back({source, target + column, end - column, shape_.step});
        column = end;
    }
}

void gather_plan::load_weights(const float* alive_values) {
    for (std::size_t i = 0; i < taps_.size(); ++i) {
        // The order of the taps is not that of the values, and there can be millions of both.
        __builtin_prefetch(alive_values + rank_[std::min(i + prefetched_taps, taps_.size() - 1)]);
        taps_[i].weight = alive_values[rank_[i]];
    }
}

std::size_t gather_plan::workspace() const {
    return std::size_t(channels_per_block_) * slab_channel_ +
           std::size_t(shape_.out_channels) * tile_shapes[tile_index_].pixels() * lanes;
}

void gather_plan::pack(const kernel_table& kernels, int tile, int block, const float* in, float* slab) const {
    const std::ptrdiff_t in_channel = std::ptrdiff_t{lanes} * shape_.in_order.channel;
    const placed_tile& at = tiles_[tile];
    kernels.pack(in + std::ptrdiff_t{1} * block * channels_per_block_ * in_channel, in_channel,
                 block_channels(block), runs_.data() + at.first_run, at.runs, slab, slab_channel_);
}

prefetch_queue gather_plan::prefetch_after(int tile, int block, const float* in, int steps) const {
    const std::ptrdiff_t in_channel = std::ptrdiff_t{lanes} * shape_.in_order.channel;
    block = (block + 1) % blocks_;
    tile += block == 0 ? 1 : 0;
    prefetch_queue queue{};
    if (!prefetches_ || tile >= tile_count() || steps == 0) { // a thread may have no channel
        return queue;
    }
    const placed_tile& at = tiles_[tile];
    queue.image = in + std::ptrdiff_t{1} * block * channels_per_block_ * in_channel;
    queue.image_channel = in_channel;
    queue.channels = block_channels(block);
    queue.runs = runs_.data() + at.first_run;
    queue.run_count = at.runs;
    queue.runs_per_step =
        static_cast<std::uint32_t>(divided_up(queue.channels * static_cast<int>(at.runs), steps));
    return queue;
}

void gather_plan::gather(const kernel_table& kernels, int tile, const float* in, const float* bias,
                         float* out, finish how, float* workspace) const {
    const placed_tile& at = tiles_[tile];
    const tile_shape shape = tile_shapes[tile_index_];
    float* slab = workspace;
    float* partial = workspace + channels_per_block_ * slab_channel_;
    const auto function = clipped_ ? kernels.gather_clipped : kernels.gather[tile_index_][margin_index_];

    gather_arguments a{};
    a.slab = slab;
    a.taps = taps_.data();
    a.groups = static_cast<int>(groups_);
    a.image_row = groups_ > 1 ? at.y + shape_.first_shift_y : 0;
    a.image_height = groups_ > 1 ? shape_.in_height : shape.height;
    a.channels = shape_.out_channels;
    a.rows = std::min(shape.height, rows_ - at.y);
    a.bias = bias;
    a.out = partial;
    a.out_channel = std::ptrdiff_t{1} * shape.pixels() * lanes;
    a.out_row = std::ptrdiff_t{1} * shape.width * lanes;
    a.out_column = lanes;
    a.how = finish::store;
    const int blocks = size() > 0 ? blocks_ : 1;
    for (int block = 0; block < blocks; ++block) {
        if (size() > 0) {
            pack(kernels, tile, block, in, slab);
        }
        a.first = first_tap(block, 0);
        if (block == blocks - 1 && at.whole) {
            a.how = how;
            a.far_output = far_output_;
            a.out = out + out_pixel(0, at.y, at.x);
            a.out_channel = std::ptrdiff_t{lanes} * shape_.out_order.channel;
            a.out_row = std::ptrdiff_t{lanes} * shape_.out_order.row * shape_.phase_step;
            a.out_column = std::ptrdiff_t{lanes} * shape_.phase_step;
        }
        prefetch_queue next = prefetch_after(tile, block, in, shape_.out_channels);
        a.next = &next;
        function(a);
        a.partial = partial;
    }
    if (!at.whole) {
        copy_tile(kernels, at, partial, out, how);
    }
}

void gather_plan::copy_tile(const kernel_table& kernels, const placed_tile& at, const float* partial,
                            float* out, finish how) const {
    const tile_shape shape = tile_shapes[tile_index_];
    kernels.copy_tile({.partial = partial,
                       .partial_row = std::ptrdiff_t{lanes} * shape.width,
                       .partial_channel = std::ptrdiff_t{lanes} * shape.pixels(),
                       .out = out + out_pixel(0, at.y, at.x),
                       .out_channel = std::ptrdiff_t{lanes} * shape_.out_order.channel,
                       .out_row = std::ptrdiff_t{lanes} * shape_.out_order.row * shape_.phase_step,
                       .out_column = std::ptrdiff_t{lanes} * shape_.phase_step,
                       .channels = shape_.out_channels,
                       .height = std::min(shape.height, rows_ - at.y),
                       .width = std::min(shape.width, columns_ - at.x),
                       .how = how});
}

gather_plan::gradient_sums gather_plan::make_sums(int first_channel, int last_channel) const {
    gradient_sums sums;
    sums.first_channel = first_channel;
    sums.last_channel = last_channel;
    std::size_t total = 0;
    std::size_t longest = 0; // taps of one channel and block
    for (int block = 0; block < blocks_; ++block) {
        sums.block_start.push_back(static_cast<std::uint32_t>(total));
        total += *first_tap(block, last_channel) - *first_tap(block, first_channel);
        for (int channel = first_channel; channel < last_channel; ++channel) {
            longest =
                std::max<std::size_t>(longest, *first_tap(block, channel + 1) - *first_tap(block, channel));
        }
    }
    sums.totals.assign(total, 0.0F);
    // Decided on the whole plan: the order of the sums must not depend on how threads share it.
    sums.keeps_lanes = size() * lanes * sizeof(float) <= lane_sums_budget;
    const std::size_t rows = sums.keeps_lanes ? total : std::max(longest, taps_per_reduction);
    sums.partial = aligned_floats((rows + lanes) * lanes);
    return sums;
}

void gather_plan::copy_gradient_tile(const placed_tile& at, const float* out_gradient, int first_channel,
                                     int last_channel, float* partial) const {
    const tile_shape shape = tile_shapes[tile_index_];
    const int height = std::min(shape.height, rows_ - at.y);
    const int width = std::min(shape.width, columns_ - at.x);
    if (!at.whole) {
        std::fill_n(partial, std::size_t(last_channel - first_channel) * shape.pixels() * lanes, 0.0F);
    }
    for (int channel = first_channel; channel < last_channel; ++channel) {
        float* to = partial + std::ptrdiff_t{1} * (channel - first_channel) * shape.pixels() * lanes;
        for (int y = 0; y < height; ++y) {
            std::copy_n(out_gradient + out_pixel(channel, at.y + y, at.x), width * lanes,
                        to + y * shape.width * lanes);
        }
    }
}

void gather_plan::add_gradients(const kernel_table& kernels, int tile, const float* in,
                                const float* out_gradient, gradient_sums& sums, float* workspace) const {
    const tile_shape shape = tile_shapes[tile_index_];
    float* slab = workspace;
    float* gradient = workspace + channels_per_block_ * slab_channel_;
    const placed_tile& at = tiles_[tile];
    gradient_arguments a{};
    a.taps = taps_.data();
    a.slab = slab;
    a.groups = static_cast<int>(groups_);
    const float* first_gradient = out_gradient + out_pixel(sums.first_channel, at.y, at.x);
    a.gradient_channel = std::ptrdiff_t{lanes} * shape_.out_order.channel;
    a.gradient_row = std::ptrdiff_t{lanes} * shape_.out_order.row;
    // One whose channels lie apart, each pixel on a page of its own, is read faster from a copy.
    if (!at.whole || shape.width == 1) {
        copy_gradient_tile(at, out_gradient, sums.first_channel, sums.last_channel, gradient);
        first_gradient = gradient;
        a.gradient_channel = std::ptrdiff_t{lanes} * shape.pixels();
        a.gradient_row = std::ptrdiff_t{lanes} * shape.width;
    }
    const auto function = clipped_ ? kernels.gradient_clipped : kernels.gradient[tile_index_][margin_index_];

    for (int block = 0; block < blocks_; ++block) {
        pack(kernels, tile, block, in, slab);
        prefetch_queue next = prefetch_after(tile, block, in, sums.last_channel - sums.first_channel);
        std::size_t done = sums.block_start[block];
        for (int channel = sums.first_channel; channel < sums.last_channel;) {
            const std::uint32_t begin = *first_tap(block, channel);
            int end = channel + 1;
            while (end < sums.last_channel &&
                   (sums.keeps_lanes || *first_tap(block, end + 1) - begin <= taps_per_reduction)) {
                ++end;
            }
            a.first = first_tap(block, channel);
            a.channels = end - channel;
            a.gradient = first_gradient + (channel - sums.first_channel) * a.gradient_channel;
            a.sums = sums.partial.data() + (sums.keeps_lanes ? done * lanes : 0);
            a.fresh = !sums.keeps_lanes;
            a.next = &next;
            function(a);
            const std::size_t count = *first_tap(block, end) - begin;
            if (!sums.keeps_lanes) {
                kernels.reduce(a.sums, count, sums.totals.data() + done);
            }
            done += count;
            channel = end;
        }
    }
}

void gather_plan::store_gradients(const kernel_table& kernels, gradient_sums& sums,
                                  float* alive_gradient) const {
    if (sums.keeps_lanes) {
        kernels.reduce(sums.partial.data(), sums.totals.size(), sums.totals.data());
        std::fill_n(sums.partial.data(), sums.partial.size(), 0.0F);
    }
    for (int block = 0; block < blocks_; ++block) {
        const std::uint32_t begin = *first_tap(block, sums.first_channel);
        const std::uint32_t end = *first_tap(block, sums.last_channel);
        for (std::uint32_t i = begin; i < end; ++i) {
            alive_gradient[rank_[i]] = sums.totals[sums.block_start[block] + (i - begin)];
        }
    }
    std::fill(sums.totals.begin(), sums.totals.end(), 0.0F);
}

} // namespace feddip::sparse::kernels
