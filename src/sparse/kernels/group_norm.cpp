#include "sparse/kernels/group_norm.hpp"

#include "sparse/kernels/layer_table.hpp"
#include "sparse/kernels/parallel.hpp"

#include <array>
#include <cmath>
#include <vector>

namespace feddip::sparse::kernels {

namespace {

using per_lane = std::array<double, lanes>;
struct alignas(64) lane_floats {
    float at[lanes];
};

// Where the channels of a block and group, side by side, and its statistics lie.
class group_place {
public:
    group_place(const group_shape& s, int block, int group)
        : channels_(s.channels / s.groups), channel_floats_(std::ptrdiff_t{lanes} * s.pixels),
          first_((std::ptrdiff_t{1} * block * s.channels + group * channels_) * channel_floats_),
          statistics_((std::ptrdiff_t{1} * block * s.groups + group) * lanes) {}

    int channels() const { return channels_; }
    std::ptrdiff_t channel(int i) const { return first_ + i * channel_floats_; }
    std::ptrdiff_t statistics() const { return statistics_; }

private:
    int channels_;
    std::ptrdiff_t channel_floats_, first_, statistics_;
};

// Of the values of each lane in a group.
void find_statistics(const layer_table& kernels, const group_shape& shape, const group_place& at,
                     const float* input, float* mean, float* inverse_deviation) {
    const double count = double{1} * at.channels() * shape.pixels;
    per_lane sums{}, squares{};
    for (int i = 0; i < at.channels(); ++i) {
        kernels.lane_sums(input + at.channel(i), shape.pixels, sums.data());
    }
    for (int lane = 0; lane < lanes; ++lane) {
        mean[lane] = static_cast<float>(sums[lane] / count);
    }
    for (int i = 0; i < at.channels(); ++i) {
        kernels.lane_squared_distances(input + at.channel(i), shape.pixels, mean, squares.data());
    }
    for (int lane = 0; lane < lanes; ++lane) {
        inverse_deviation[lane] =
            static_cast<float>(1.0 / std::sqrt(squares[lane] / count + double{normalization_epsilon}));
    }
}

} // namespace

std::size_t group_memory_size(const group_shape& shape) {
    return std::size_t{1} * blocks_of(shape.samples) * shape.groups * lanes;
}

void normalize_groups(const group_shape& shape, const float* scale, const float* shift,
                      const normalization_memory& memory, const float* input, float* output, bool rectify,
                      const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    for_each(blocks_of(shape.samples) * shape.groups, how, [&](int index) {
        const int group = index % shape.groups;
        const group_place at(shape, index / shape.groups, group);
        float* const mean = memory.mean + at.statistics();
        float* const inverse = memory.inverse_deviation + at.statistics();
        find_statistics(kernels, shape, at, input, mean, inverse);
        for (int i = 0; i < at.channels(); ++i) {
            const int channel = group * at.channels() + i;
            lane_floats factor, offset;
            for (int lane = 0; lane < lanes; ++lane) {
                factor.at[lane] = scale[channel] * inverse[lane];
                offset.at[lane] = shift[channel] - mean[lane] * factor.at[lane];
            }
            kernels.lane_affine(input + at.channel(i), output + at.channel(i), shape.pixels, factor.at,
                                offset.at, rectify);
        }
    });
}

void normalize_groups_backward(const group_shape& shape, const float* scale,
                               const normalization_memory& memory, const float* input, const float* output,
                               const float* output_gradient, float* input_gradient, float* scale_gradient,
                               float* shift_gradient, bool rectify, const execution& how) {
    const layer_table& kernels = layers_for(how.instructions);
    const int channels = shape.channels / shape.groups;
    const double count = double{1} * channels * shape.pixels;
    // By group, whose channels' gradients are then summed over the blocks in one order on any number of
    // threads.
    for_each(shape.groups, how, [&](int group) {
        std::vector<double> scale_sums(channels), shift_sums(channels);
        for (int block = 0; block < blocks_of(shape.samples); ++block) {
            const group_place at(shape, block, group);
            const float* const mean = memory.mean + at.statistics();
            const float* const inverse = memory.inverse_deviation + at.statistics();
            const auto gradient_of = [&](int i) {
                return rectified_gradient{output_gradient + at.channel(i),
                                          rectify ? output + at.channel(i) : nullptr};
            };
            per_lane sum{}, weighted{}; // of scale g, and of that times input - mean
            for (int i = 0; i < channels; ++i) {
                per_lane g{}, g_distance{};
                kernels.lane_moments(input + at.channel(i), gradient_of(i), shape.pixels, mean, g.data(),
                                     g_distance.data());
                for (int lane = 0; lane < lanes; ++lane) {
                    sum[lane] += scale[group * channels + i] * g[lane];
                    weighted[lane] += scale[group * channels + i] * g_distance[lane];
                    shift_sums[i] += g[lane];
                    scale_sums[i] += g_distance[lane] * inverse[lane];
                }
            }
            // dx = 1 / deviation (scale g - mean(scale g) - xhat mean(scale g xhat)), xhat = (x - mean) /
            // deviation
            lane_floats b, c;
            for (int lane = 0; lane < lanes; ++lane) {
                const double r = double{inverse[lane]};
                b.at[lane] = static_cast<float>(-r * r * r * weighted[lane] / count);
                c.at[lane] = static_cast<float>(-r * sum[lane] / count);
            }
            for (int i = 0; i < channels; ++i) {
                lane_floats a;
                for (int lane = 0; lane < lanes; ++lane) {
                    a.at[lane] = scale[group * channels + i] * inverse[lane];
                }
                kernels.lane_affine_backward(input + at.channel(i), gradient_of(i), shape.pixels, mean, a.at,
                                             b.at, c.at, input_gradient + at.channel(i));
            }
        }
        for (int i = 0; i < channels; ++i) {
            scale_gradient[group * channels + i] = static_cast<float>(scale_sums[i]);
            shift_gradient[group * channels + i] = static_cast<float>(shift_sums[i]);
        }
    });
}

} // namespace feddip::sparse::kernels
