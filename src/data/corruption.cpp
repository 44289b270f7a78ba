#include "data/corruption.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <numeric>

namespace feddip::data {

namespace {

constexpr double largest_byte = 255;
constexpr double cut_off = 3; // deviations

// Quarter turns hit pixels exactly, but for the rounding of sine and cosine.
double snapped(double coordinate) {
    const double nearest = std::round(coordinate);
    return std::abs(coordinate - nearest) < 1e-9 ? nearest : coordinate;
}

std::size_t index_in(const image_shape& shape, int y, int x) {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(shape.width) + static_cast<std::size_t>(x);
}

} // namespace

corruption::corruption(const dataset_facts& facts, config::drift_kind kind, double strength)
    : shape_(facts.shape), floats_(facts.pixels == pixel_kind::floats), kind_(kind), strength_(strength),
      before_(shape_.size()), after_(shape_.size()) {
    if (kind_ == config::drift_kind::rotation) {
        prepare_rotation();
    } else if (kind_ == config::drift_kind::blur) {
        prepare_blur();
    }
}

void corruption::prepare_rotation() {
    const double angle = strength_ * std::numbers::pi / 180;
    const double cosine = std::cos(angle);
    const double sine = std::sin(angle);
    const double middle_y = (shape_.height - 1) / 2.0;
    const double middle_x = (shape_.width - 1) / 2.0;
    for (int y = 0; y < shape_.height; ++y) {
        for (int x = 0; x < shape_.width; ++x) {
            // Rows go down, so that the picture turns counter-clockwise.
            const double from_y = snapped(middle_y + sine * (x - middle_x) + cosine * (y - middle_y));
            const double from_x = snapped(middle_x + cosine * (x - middle_x) - sine * (y - middle_y));
            const double top = std::floor(from_y);
            const double left = std::floor(from_x);
            taps t{};
            for (std::size_t corner = 0; corner < 4; ++corner) {
                const int at_y = static_cast<int>(top) + static_cast<int>(corner / 2);
                const int at_x = static_cast<int>(left) + static_cast<int>(corner % 2);
                if (at_y >= 0 && at_y < shape_.height && at_x >= 0 && at_x < shape_.width) {
                    t.at[corner] = static_cast<std::uint32_t>(index_in(shape_, at_y, at_x));
                    t.weight[corner] =
                        static_cast<float>((1 - std::abs(from_y - at_y)) * (1 - std::abs(from_x - at_x)));
                }
            }
            taps_.push_back(t);
        }
    }
}

void corruption::prepare_blur() {
    const int reach = static_cast<int>(std::ceil(cut_off * strength_));
    std::vector<double> weights{1};
    for (int d = 1; d <= reach; ++d) {
        weights.push_back(std::exp(-d * d / (2 * strength_ * strength_)));
    }
    const double sum = 2 * std::accumulate(weights.begin(), weights.end(), 0.0) - weights.front();
    for (const double w : weights) {
        kernel_.push_back(static_cast<float>(w / sum));
    }
    between_.resize(index_in(shape_, shape_.height, 0));
}

void corruption::apply(std::span<std::uint8_t> pixels, random_stream& random) {
    if (floats_) {
        std::memcpy(before_.data(), pixels.data(), pixels.size());
    } else {
        std::ranges::copy(pixels, before_.begin());
    }
    const std::size_t size = index_in(shape_, shape_.height, 0);
    for (std::size_t first = 0; first < before_.size(); first += size) {
        const auto plane = std::span<const float>(before_).subspan(first, size);
        const auto out = std::span(after_).subspan(first, size);
        switch (kind_) {
        case config::drift_kind::rotation:
            rotate(plane, out);
            break;
        case config::drift_kind::contrast:
            flatten(plane, out);
            break;
        case config::drift_kind::noise: {
            const double deviation = strength_ * (floats_ ? 1 : largest_byte);
            std::ranges::transform(plane, out.begin(), [&](float v) {
                return v + static_cast<float>(deviation * random.normal());
            });
            break;
        }
        case config::drift_kind::blur:
            blur(plane, out);
            break;
        case config::drift_kind::none:
        case config::drift_kind::label_shift:
            std::ranges::copy(plane, out.begin());
            break;
        }
    }
    if (floats_) {
        std::memcpy(pixels.data(), after_.data(), pixels.size());
    } else {
        std::ranges::transform(after_, pixels.begin(), [](float v) {
            return static_cast<std::uint8_t>(std::lround(std::clamp(v, 0.0F, 255.0F)));
        });
    }
}

void corruption::rotate(std::span<const float> plane, std::span<float> out) const {
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto& [at, weight] = taps_[i];
        out[i] = weight[0] * plane[at[0]] + weight[1] * plane[at[1]] + weight[2] * plane[at[2]] +
                 weight[3] * plane[at[3]];
    }
}

void corruption::flatten(std::span<const float> plane, std::span<float> out) const {
    const double sum = std::accumulate(plane.begin(), plane.end(), 0.0);
    const auto mean = static_cast<float>(sum / static_cast<double>(plane.size()));
    const auto kept = static_cast<float>(1 - strength_);
    std::ranges::transform(plane, out.begin(), [=](float v) { return mean + kept * (v - mean); });
}

// Rows, then columns.
void corruption::blur(std::span<const float> plane, std::span<float> out) {
    const auto along = [&](std::span<const float> in, std::span<float> into, int lines, int length,
                           std::size_t line_stride, std::size_t stride) {
        for (int line = 0; line < lines; ++line) {
            const std::size_t first = static_cast<std::size_t>(line) * line_stride;
            const auto value = [&](int i) {
                return in[first + static_cast<std::size_t>(std::clamp(i, 0, length - 1)) * stride];
            };
            for (int i = 0; i < length; ++i) {
                float sum = kernel_.front() * value(i);
                for (int d = 1; d < static_cast<int>(kernel_.size()); ++d) {
                    sum += kernel_[static_cast<std::size_t>(d)] * (value(i - d) + value(i + d));
                }
                into[first + static_cast<std::size_t>(i) * stride] = sum;
            }
        }
    };
    const auto row = static_cast<std::size_t>(shape_.width);
    along(plane, between_, shape_.height, shape_.width, row, 1);
    along(between_, out, shape_.width, shape_.height, 1, row);
}

} // namespace feddip::data
