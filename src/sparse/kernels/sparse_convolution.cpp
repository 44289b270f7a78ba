#include "base/error.hpp"
#include "sparse/kernels/gather_plan.hpp"
#include "sparse/kernels/internal.hpp"
#include "sparse/kernels/kernels.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace feddip::sparse::kernels {

namespace {

gather_shape forward_shape(const convolution_shape& s) {
    return {.in_channels = s.in_channels,
            .in_height = s.height,
            .in_width = s.width,
            .in_order = {s.height * s.width, s.width},
            .out_channels = s.out_channels,
            .out_height = s.out_height(),
            .out_width = s.out_width(),
            .out_order = {s.out_height() * s.out_width(), s.out_width()},
            .step = s.stride,
            .phase_y = 0,
            .phase_x = 0,
            .phase_step = 1,
            .first_shift_y = -s.padding,
            .last_shift_y = s.kernel - 1 - s.padding,
            .first_shift_x = -s.padding,
            .last_shift_x = s.kernel - 1 - s.padding};
}

// Output row y reads input row y * stride + k - padding. So input row stride * i + phase hears from output
// row i + (phase + padding - k) / stride, for those k that leave no remainder: these shifts, first and last.
std::pair<int, int> backward_shifts(const convolution_shape& s, int phase) {
    int first = 0;
    int last = 0;
    bool any = false;
    for (int k = 0; k < s.kernel; ++k) {
        const int distance = phase + s.padding - k;
        if (distance % s.stride == 0) {
            const int shift = distance / s.stride;
            first = any ? std::min(first, shift) : shift;
            last = any ? std::max(last, shift) : shift;
            any = true;
        }
    }
    return {first, last};
}

gather_shape backward_shape(const convolution_shape& s, int phase_y, int phase_x) {
    const auto [first_y, last_y] = backward_shifts(s, phase_y);
    const auto [first_x, last_x] = backward_shifts(s, phase_x);
    return {.in_channels = s.out_channels,
            .in_height = s.out_height(),
            .in_width = s.out_width(),
            .in_order = {s.out_height() * s.out_width(), s.out_width()},
            .out_channels = s.in_channels,
            .out_height = s.height,
            .out_width = s.width,
            .out_order = {s.height * s.width, s.width},
            .step = 1,
            .phase_y = phase_y,
            .phase_x = phase_x,
            .phase_step = s.stride,
            .first_shift_y = first_y,
            .last_shift_y = last_y,
            .first_shift_x = first_x,
            .last_shift_x = last_x};
}

struct alive_weight {
    int out, in, ky, kx;
};

std::vector<alive_weight> alive_weights(const convolution_shape& s, const mask& m, std::size_t first_bit) {
    std::vector<alive_weight> alive;
    std::size_t bit = first_bit;
    for (int out = 0; out < s.out_channels; ++out) {
        for (int in = 0; in < s.in_channels; ++in) {
            for (int ky = 0; ky < s.kernel; ++ky) {
                for (int kx = 0; kx < s.kernel; ++kx, ++bit) {
                    if (m[bit]) {
                        alive.push_back({out, in, ky, kx});
                    }
                }
            }
        }
    }
    return alive;
}

gather_plan forward_plan(const convolution_shape& s, const std::vector<alive_weight>& alive) {
    std::vector<tap> taps;
    taps.reserve(alive.size());
    for (const alive_weight& w : alive) {
        taps.push_back(
            {w.in, w.out, w.ky - s.padding, w.kx - s.padding, static_cast<std::uint32_t>(taps.size())});
    }
    return {forward_shape(s), taps};
}

std::vector<gather_plan> backward_plans(const convolution_shape& s, const std::vector<alive_weight>& alive) {
    std::vector<gather_plan> plans;
    for (int phase_y = 0; phase_y < std::min(s.stride, s.height); ++phase_y) {
        for (int phase_x = 0; phase_x < std::min(s.stride, s.width); ++phase_x) {
            std::vector<tap> taps;
            for (std::uint32_t rank = 0; rank < alive.size(); ++rank) {
                const alive_weight& w = alive[rank];
                const int y = phase_y + s.padding - w.ky;
                const int x = phase_x + s.padding - w.kx;
                if (y % s.stride == 0 && x % s.stride == 0) {
                    taps.push_back({w.out, w.in, y / s.stride, x / s.stride, rank});
                }
            }
            plans.emplace_back(backward_shape(s, phase_y, phase_x), taps);
        }
    }
    return plans;
}

void check(const convolution_shape& s, const mask& m, std::size_t first_bit) {
    const std::size_t weights = std::size_t(s.out_channels) * std::size_t(s.in_channels) *
                                std::size_t(s.kernel) * std::size_t(s.kernel);
    if (s.in_channels < 1 || s.out_channels < 1 || s.kernel < 1 || s.stride < 1 || s.padding < 0 ||
        s.height + 2 * s.padding < s.kernel || s.width + 2 * s.padding < s.kernel) {
        throw error("cannot compile a sparse convolution", "shape", "it has no output");
    }
    if (m.size() < first_bit + weights) {
        throw error("cannot compile a sparse convolution", "mask", "it ends before the layer's last weight");
    }
}

} // namespace

struct sparse_convolution::implementation {
    implementation(const convolution_shape& s, const std::vector<alive_weight>& weights, const execution& how)
        : shape(s), kernels(kernels_for(how.instructions)), forward(forward_plan(s, weights)),
          backward(backward_plans(s, weights)) {
        std::size_t workspace = forward.workspace();
        for (const gather_plan& plan : backward) {
            workspace = std::max(workspace, plan.workspace());
        }
        const int threads = std::max(1, how.threads);
        for (int t = 0; t < threads; ++t) {
            workspaces.emplace_back(workspace);
            sums.push_back(
                forward.make_sums(s.out_channels * t / threads, s.out_channels * (t + 1) / threads));
        }
    }

    std::ptrdiff_t input_size() const {
        return std::ptrdiff_t{lanes} * shape.in_channels * shape.height * shape.width;
    }
    std::ptrdiff_t output_size() const {
        return std::ptrdiff_t{lanes} * shape.out_channels * shape.out_height() * shape.out_width();
    }
    int threads() const { return static_cast<int>(workspaces.size()); }

    convolution_shape shape;
    const kernel_table& kernels;
    gather_plan forward;
    std::vector<gather_plan> backward;      // one per stride phase
    std::vector<aligned_floats> workspaces; // by thread
    std::vector<gather_plan::gradient_sums> sums;
};

sparse_convolution::sparse_convolution(const convolution_shape& shape, const mask& m, std::size_t first_bit,
                                       const execution& how) {
    check(shape, m, first_bit);
    impl_ = std::make_unique<implementation>(shape, alive_weights(shape, m, first_bit), how);
}
sparse_convolution::~sparse_convolution() = default;
sparse_convolution::sparse_convolution(sparse_convolution&&) noexcept = default;
sparse_convolution& sparse_convolution::operator=(sparse_convolution&&) noexcept = default;

const convolution_shape& sparse_convolution::shape() const {
    return impl_->shape;
}
std::size_t sparse_convolution::alive() const {
    return impl_->forward.size();
}

void sparse_convolution::load_weights(const float* alive_values, bool for_backward_input) {
    impl_->forward.load_weights(alive_values);
    if (for_backward_input) {
        for (gather_plan& plan : impl_->backward) {
            plan.load_weights(alive_values);
        }
    }
}

void sparse_convolution::forward(const float* input, const float* bias, float* output, int blocks,
                                 bool relu) {
    implementation& i = *impl_;
    const int tiles = i.forward.tile_count();
    const finish how = relu ? finish::rectify : finish::store;
#pragma omp parallel for schedule(static) num_threads(i.threads()) if (i.threads() > 1)
    for (int item = 0; item < blocks * tiles; ++item) {
        const int block = item / tiles;
        i.forward.gather(i.kernels, item % tiles, input + block * i.input_size(), bias,
                         output + block * i.output_size(), how, i.workspaces[this_thread()].data());
    }
}

void sparse_convolution::backward_input(const float* output_gradient, float* input_gradient, int blocks) {
    implementation& i = *impl_;
    int tiles = 0;
    for (const gather_plan& plan : i.backward) {
        tiles = std::max(tiles, plan.tile_count());
    }
#pragma omp parallel for schedule(static) num_threads(i.threads()) if (i.threads() > 1)
    for (int item = 0; item < blocks * tiles; ++item) {
        const int block = item / tiles;
        const int tile = item % tiles;
        for (const gather_plan& plan : i.backward) {
            if (tile < plan.tile_count()) {
                plan.gather(i.kernels, tile, output_gradient + block * i.output_size(), nullptr,
                            input_gradient + block * i.input_size(), finish::store,
                            i.workspaces[this_thread()].data());
            }
        }
    }
}

void sparse_convolution::backward_weights(const float* input, const float* output_gradient,
                                          float* alive_gradient, float* bias_gradient, int blocks) {
    implementation& i = *impl_;
    const channel_sums bias_sums{bias_gradient, i.shape.out_height() * i.shape.out_width()};
#pragma omp parallel for schedule(static) num_threads(i.threads()) if (i.threads() > 1)
    for (int t = 0; t < i.threads(); ++t) {
        gather_plan::gradient_sums& sums = i.sums[t];
        bias_sums.clear(sums.first_channel, sums.last_channel);
        for (int block = 0; block < blocks; ++block) {
            const float* in = input + block * i.input_size();
            const float* gradient = output_gradient + block * i.output_size();
            for (int tile = 0; tile < i.forward.tile_count(); ++tile) {
                i.forward.add_gradients(i.kernels, tile, in, gradient, sums, i.workspaces[t].data());
            }
            bias_sums.add(i.kernels, gradient, sums.first_channel, sums.last_channel); // still in the cache
        }
        i.forward.store_gradients(i.kernels, sums, alive_gradient);
    }
}

} // namespace feddip::sparse::kernels
