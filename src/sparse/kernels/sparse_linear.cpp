#include "base/error.hpp"
#include "sparse/kernels/gather_plan.hpp"
#include "sparse/kernels/internal.hpp"
#include "sparse/kernels/kernels.hpp"

#include <algorithm>

namespace feddip::sparse::kernels {

namespace {

// A fully connected layer is a 1x1 convolution over an image that is one column of sample blocks: feature f
// of block b lies at vector b * features + f.
gather_shape column_shape(int in_features, int out_features, int blocks) {
    return {.in_channels = in_features,
            .in_height = blocks,
            .in_width = 1,
            .in_order = {1, in_features},
            .out_channels = out_features,
            .out_height = blocks,
            .out_width = 1,
            .out_order = {1, out_features},
            .step = 1,
            .phase_y = 0,
            .phase_x = 0,
            .phase_step = 1,
            .first_shift_y = 0,
            .last_shift_y = 0,
            .first_shift_x = 0,
            .last_shift_x = 0};
}

std::vector<tap> alive_taps(int in_features, int out_features, const mask& m, std::size_t first_bit) {
    std::vector<tap> taps;
    taps.reserve(m.count(first_bit, std::size_t(in_features) * std::size_t(out_features)));
    std::size_t bit = first_bit;
    for (std::int32_t out = 0; out < out_features; ++out) {
        for (std::int32_t in = 0; in < in_features; ++in, ++bit) {
            if (m[bit]) {
                taps.push_back({in, out, 0, 0, static_cast<std::uint32_t>(taps.size())});
            }
        }
    }
    return taps;
}

std::vector<tap> transposed(std::vector<tap> taps) {
    for (tap& t : taps) {
        std::swap(t.in, t.out);
    }
    return taps;
}

void check(int in_features, int out_features, const mask& m, std::size_t first_bit, int max_blocks) {
    if (in_features < 1 || out_features < 1 || max_blocks < 1) {
        throw error("cannot compile a sparse fully connected layer", "shape", "it has no output");
    }
    if (m.size() < first_bit + std::size_t(in_features) * std::size_t(out_features)) {
        throw error("cannot compile a sparse fully connected layer", "mask",
                    "it ends before the last weight");
    }
}

} // namespace

struct sparse_linear::implementation {
    implementation(int in, int out, const std::vector<tap>& taps, int max_blocks, const execution& how)
        : in_features(in), out_features(out), kernels(kernels_for(how.instructions)),
          forward(column_shape(in, out, max_blocks), taps),
          backward(column_shape(out, in, max_blocks), transposed(taps)) {
        const std::size_t workspace = std::max(forward.workspace(), backward.workspace());
        const int threads = std::max(1, how.threads);
        for (int t = 0; t < threads; ++t) {
            workspaces.emplace_back(workspace);
            sums.push_back(forward.make_sums(out * t / threads, out * (t + 1) / threads));
        }
    }
    int threads() const { return static_cast<int>(workspaces.size()); }

    void gather(gather_plan& plan, const float* from, const float* bias, float* to, int blocks, finish how) {
        plan.resize_rows(blocks);
        const int tiles = plan.tile_count();
#pragma omp parallel for schedule(static) num_threads(threads()) if (threads() > 1)
        for (int tile = 0; tile < tiles; ++tile) {
            plan.gather(kernels, tile, from, bias, to, how, workspaces[this_thread()].data());
        }
    }

    int in_features;
    int out_features;
    const kernel_table& kernels;
    gather_plan forward;
    gather_plan backward;
    std::vector<aligned_floats> workspaces; // by thread
    std::vector<gather_plan::gradient_sums> sums;
};

sparse_linear::sparse_linear(int in_features, int out_features, const mask& m, std::size_t first_bit,
                             int max_blocks, const execution& how) {
    check(in_features, out_features, m, first_bit, max_blocks);
    impl_ = std::make_unique<implementation>(
        in_features, out_features, alive_taps(in_features, out_features, m, first_bit), max_blocks, how);
}
sparse_linear::~sparse_linear() = default;
sparse_linear::sparse_linear(sparse_linear&&) noexcept = default;
sparse_linear& sparse_linear::operator=(sparse_linear&&) noexcept = default;

std::size_t sparse_linear::alive() const {
    return impl_->forward.size();
}

void sparse_linear::load_weights(const float* alive_values, bool for_backward_input) {
    impl_->forward.load_weights(alive_values);
    if (for_backward_input) {
        impl_->backward.load_weights(alive_values);
    }
}

void sparse_linear::forward(const float* input, const float* bias, float* output, int blocks, bool relu) {
    impl_->gather(impl_->forward, input, bias, output, blocks, relu ? finish::rectify : finish::store);
}

void sparse_linear::backward_input(const float* output_gradient, float* input_gradient, int blocks) {
    impl_->gather(impl_->backward, output_gradient, nullptr, input_gradient, blocks, finish::store);
}

void sparse_linear::backward_weights(const float* input, const float* output_gradient, float* alive_gradient,
                                     float* bias_gradient, int blocks) {
    implementation& i = *impl_;
    i.forward.resize_rows(blocks);
#pragma omp parallel for schedule(static) num_threads(i.threads()) if (i.threads() > 1)
    for (int t = 0; t < i.threads(); ++t) {
        for (int tile = 0; tile < i.forward.tile_count(); ++tile) {
            i.forward.add_gradients(i.kernels, tile, input, output_gradient, i.sums[t],
                                    i.workspaces[t].data());
        }
        i.forward.store_gradients(i.kernels, i.sums[t], alive_gradient);
    }
    const channel_sums bias_sums{bias_gradient, 1};
    bias_sums.clear(0, i.out_features);
    for (int block = 0; block < blocks; ++block) {
        bias_sums.add(i.kernels, output_gradient + std::ptrdiff_t{lanes} * block * i.out_features, 0,
                      i.out_features);
    }
}

} // namespace feddip::sparse::kernels
