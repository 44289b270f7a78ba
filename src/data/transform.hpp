// What turns the bytes of an image into what a network sees (spec, section 6).
#pragma once

#include "base/random.hpp"
#include "data/dataset.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace feddip::data {

// How an image continues beyond its border.
enum class padding { none, zero, reflect };

class transform {
public:
    explicit transform(const dataset_facts& facts);

    // /255, then (x - mean) / std per channel where the dataset has them.
    void normalize(std::span<const std::uint8_t> pixels, std::span<float> out) const;
    // The same after padding by 4, a random crop and a random flip, for datasets that are augmented; two
    // offsets and a coin are drawn per image then, else nothing.
    void augment(std::span<const std::uint8_t> pixels, random_stream& random, std::span<float> out) const;

    // A crop at a given place: `top` and `left` in 0 .. 8 of the padded image.
    void crop(std::span<const std::uint8_t> pixels, int top, int left, bool flip, std::span<float> out) const;

private:
    image_shape shape_;
    padding padding_;
    std::array<std::array<float, 256>, 3> value_; // [channel][byte]
};

} // namespace feddip::data
