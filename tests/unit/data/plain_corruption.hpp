// Covariate shift as its definitions read, one output pixel after the other in double precision: what the
// corruption of the program is tested against.
#pragma once

#include "config/config.hpp"
#include "data/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace feddip::test {

class plain_corruption {
public:
    plain_corruption(data::image_shape shape, std::vector<double> values)
        : shape_(shape), values_(std::move(values)) {}

    std::vector<double> rotated(double degrees) const {
        const double angle = degrees * std::numbers::pi / 180;
        return each_pixel([&](int c, int y, int x) {
            // Right and up of the middle, turned back.
            const double right = x - (shape_.width - 1) / 2.0;
            const double up = (shape_.height - 1) / 2.0 - y;
            const double from_x = (shape_.width - 1) / 2.0 + right * std::cos(angle) + up * std::sin(angle);
            const double from_y =
                (shape_.height - 1) / 2.0 - (up * std::cos(angle) - right * std::sin(angle));
            double sum = 0;
            for (int v = 0; v < shape_.height; ++v) {
                for (int u = 0; u < shape_.width; ++u) {
                    sum += at(c, v, u) * std::max(0.0, 1 - std::abs(from_y - v)) *
                           std::max(0.0, 1 - std::abs(from_x - u));
                }
            }
            return sum;
        });
    }

    std::vector<double> flattened(double strength) const {
        return each_pixel([&](int c, int y, int x) {
            double mean = 0;
            for (int v = 0; v < shape_.height; ++v) {
                for (int u = 0; u < shape_.width; ++u) {
                    mean += at(c, v, u) / (shape_.height * shape_.width);
                }
            }
            return mean + (1 - strength) * (at(c, y, x) - mean);
        });
    }

    std::vector<double> blurred(double deviation) const {
        const int reach = static_cast<int>(std::ceil(3 * deviation));
        return each_pixel([&](int c, int y, int x) {
            double sum = 0;
            double weights = 0;
            for (int dy = -reach; dy <= reach; ++dy) {
                for (int dx = -reach; dx <= reach; ++dx) {
                    const double weight = std::exp(-(dy * dy + dx * dx) / (2 * deviation * deviation));
                    weights += weight;
                    sum += weight * at(c, std::clamp(y + dy, 0, shape_.height - 1),
                                       std::clamp(x + dx, 0, shape_.width - 1));
                }
            }
            return sum / weights;
        });
    }

private:
    double at(int c, int y, int x) const {
        return values_[static_cast<std::size_t>((c * shape_.height + y) * shape_.width + x)];
    }

    template <typename Value>
    std::vector<double> each_pixel(Value value) const {
        std::vector<double> out;
        for (int c = 0; c < shape_.channels; ++c) {
            for (int y = 0; y < shape_.height; ++y) {
                for (int x = 0; x < shape_.width; ++x) {
                    out.push_back(value(c, y, x));
                }
            }
        }
        return out;
    }

    data::image_shape shape_;
    std::vector<double> values_;
};

} // namespace feddip::test
