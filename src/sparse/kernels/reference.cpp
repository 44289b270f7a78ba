#include "sparse/kernels/reference.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::sparse::kernels::reference {

namespace {

std::size_t index(int a, int b, int size_b, int c, int size_c, int d, int size_d) {
    return ((std::size_t(a) * size_b + b) * size_c + c) * size_d + d;
}

std::vector<float> rounded(const std::vector<double>& values) {
    return {values.begin(), values.end()};
}

// Calls f(weight, input, output) with the positions of every product of the convolution.
template <typename F>
void for_each_product(const convolution_shape& s, int samples, F&& f) {
    for (int n = 0; n < samples; ++n) {
        for (int out = 0; out < s.out_channels; ++out) {
            for (int oy = 0; oy < s.out_height(); ++oy) {
                for (int ox = 0; ox < s.out_width(); ++ox) {
                    for (int in = 0; in < s.in_channels; ++in) {
                        for (int ky = 0; ky < s.kernel; ++ky) {
                            for (int kx = 0; kx < s.kernel; ++kx) {
                                const int y = oy * s.stride + ky - s.padding;
                                const int x = ox * s.stride + kx - s.padding;
                                if (y >= 0 && y < s.height && x >= 0 && x < s.width) {
                                    f(index(out, in, s.in_channels, ky, s.kernel, kx, s.kernel),
                                      index(n, in, s.in_channels, y, s.height, x, s.width),
                                      index(n, out, s.out_channels, oy, s.out_height(), ox, s.out_width()));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

} // namespace

std::vector<float> masked(std::span<const float> weights, const mask& m, std::size_t first_bit) {
    std::vector<float> result(weights.begin(), weights.end());
    for (std::size_t i = 0; i < result.size(); ++i) {
        result[i] = m[first_bit + i] ? result[i] : 0.0F;
    }
    return result;
}

std::vector<float> convolve(const convolution_shape& s, std::span<const float> weights,
                            std::span<const float> bias, std::span<const float> input, int samples) {
    const int pixels = s.out_height() * s.out_width();
    std::vector<double> output(std::size_t(samples) * s.out_channels * pixels);
    for_each_product(s, samples, [&](std::size_t w, std::size_t i, std::size_t o) {
        output[o] += double{weights[w]} * input[i];
    });
    if (!bias.empty()) {
        for (std::size_t o = 0; o < output.size(); ++o) {
            output[o] += bias[o / pixels % s.out_channels];
        }
    }
    return rounded(output);
}

std::vector<float> convolve_backward_input(const convolution_shape& s, std::span<const float> weights,
                                           std::span<const float> output_gradient, int samples) {
    std::vector<double> gradient(std::size_t(samples) * s.in_channels * s.height * s.width);
    for_each_product(s, samples, [&](std::size_t w, std::size_t i, std::size_t o) {
        gradient[i] += double{weights[w]} * output_gradient[o];
    });
    return rounded(gradient);
}

std::vector<float> convolve_backward_weights(const convolution_shape& s, std::span<const float> input,
                                             std::span<const float> output_gradient, int samples) {
    std::vector<double> gradient(std::size_t(s.out_channels) * s.in_channels * s.kernel * s.kernel);
    for_each_product(s, samples, [&](std::size_t w, std::size_t i, std::size_t o) {
        gradient[w] += double{input[i]} * output_gradient[o];
    });
    return rounded(gradient);
}

std::vector<float> sum_channels(std::span<const float> tensor, int samples, int channels, int pixels) {
    std::vector<double> sums(channels);
    for (std::size_t i = 0; i < std::size_t(samples) * channels * pixels; ++i) {
        sums[i / pixels % channels] += tensor[i];
    }
    return rounded(sums);
}

normalized_groups normalize_groups(const group_shape& s, std::span<const float> scale,
                                   std::span<const float> shift, std::span<const float> x,
                                   std::span<const float> g, bool rectify) {
    const std::size_t pixels = s.pixels;
    const std::size_t group_size = pixels * (s.channels / s.groups);
    const auto count = static_cast<double>(group_size);
    std::vector<double> y(x.size()), dx(x.size()), dscale(s.channels), dshift(s.channels);
    for (std::size_t first = 0; first < x.size(); first += group_size) {
        double mean = 0, variance = 0;
        for (std::size_t i = first; i < first + group_size; ++i) {
            mean += double{x[i]} / count;
        }
        for (std::size_t i = first; i < first + group_size; ++i) {
            variance += (double{x[i]} - mean) * (double{x[i]} - mean) / count;
        }
        const double deviation = std::sqrt(variance + 1e-5);
        double mean_of_gradient = 0, mean_of_product = 0; // of the gradient of the normal values
        const auto normal = [&](std::size_t i) { return (double{x[i]} - mean) / deviation; };
        const auto channel = [&](std::size_t i) { return i / pixels % s.channels; };
        const auto passed = [&](std::size_t i) { return rectify && y[i] <= 0 ? 0.0 : double{g[i]}; };
        for (std::size_t i = first; i < first + group_size; ++i) {
            const std::size_t c = channel(i);
            y[i] = normal(i) * scale[c] + shift[c];
            dscale[c] += passed(i) * normal(i);
            dshift[c] += passed(i);
            mean_of_gradient += passed(i) * scale[c] / count;
            mean_of_product += passed(i) * scale[c] * normal(i) / count;
        }
        for (std::size_t i = first; i < first + group_size; ++i) {
            dx[i] =
                (passed(i) * scale[channel(i)] - mean_of_gradient - normal(i) * mean_of_product) / deviation;
        }
    }
    for (double& value : y) {
        value = rectify ? std::max(0.0, value) : value;
    }
    return {rounded(y), rounded(dx), rounded(dscale), rounded(dshift)};
}

} // namespace feddip::sparse::kernels::reference
