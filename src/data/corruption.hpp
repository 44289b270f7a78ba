// Covariate shift: what it does to one image as it is stored.
#pragma once

#include "base/random.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::data {

// Of a `strength` > 0, by kind:
//   rotation   degrees, counter-clockwise about the middle; bilinear, 0 beyond the border
//   contrast   the share of it that goes: x becomes m + (1 - strength) (x - m), m being its channel's mean
//   noise      deviation of Gaussian noise, each value's own
//   blur       deviation of a Gaussian in pixels, cut off at three of them; the border goes on as it ends
// A byte stands for its value / 255, is rounded to the nearest and stays in 0 .. 255; floats are taken as
// they are and not bounded.
class corruption {
public:
    corruption(const dataset_facts& facts, config::drift_kind kind, double strength);

    // `pixels` are the image_bytes() of one image. Only noise draws.
    void apply(std::span<std::uint8_t> pixels, random_stream& random);

private:
    // Where an output pixel of a plane comes from.
    struct taps {
        std::array<std::uint32_t, 4> at;
        std::array<float, 4> weight; // 0 for those outside
    };

    void prepare_rotation();
    void prepare_blur();
    void rotate(std::span<const float> plane, std::span<float> out) const;
    void flatten(std::span<const float> plane, std::span<float> out) const;
    void blur(std::span<const float> plane, std::span<float> out);

    image_shape shape_;
    bool floats_;
    config::drift_kind kind_;
    double strength_;
    std::vector<taps> taps_;    // [pixel of a plane]
    std::vector<float> kernel_; // from the middle outwards; sums to 1 over both sides
    std::vector<float> before_, after_, between_;
};

} // namespace feddip::data
