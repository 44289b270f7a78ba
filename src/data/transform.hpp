// What turns the stored pixels of an image into what a network sees.
#pragma once

#include "base/random.hpp"
#include "data/dataset.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::data {

class transform {
public:
    explicit transform(const dataset_facts& facts);

    // Bytes /255, then (x - mean) / deviation per channel where the dataset has them. `pixels` are the
    // image_bytes() of one image.
    void normalize(std::span<const std::uint8_t> pixels, std::span<float> out) const;
    // The same after padding by 4, a random crop and a random flip, for datasets that are augmented; two
    // offsets and a coin are drawn per image then, else nothing. Those have bytes, and sides up to 32.
    void augment(std::span<const std::uint8_t> pixels, random_stream& random, std::span<float> out) const;

    // A crop at a given place: `top` and `left` in 0 .. 8 of the padded image.
    void crop(std::span<const std::uint8_t> pixels, int top, int left, bool flip, std::span<float> out) const;

private:
    image_shape shape_;
    padding padding_;
    std::vector<float> mean_, deviation_;       // [channel]
    std::vector<std::array<float, 256>> value_; // [channel][byte]; empty for floats
};

} // namespace feddip::data
