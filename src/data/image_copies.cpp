#include "data/image_copies.hpp"

#include <numeric>

namespace feddip::data {

image_copies::image_copies(const dataset& data, std::span<const std::uint32_t> images)
    : of_(data), numbers_(images.size()) {
    std::iota(numbers_.begin(), numbers_.end(), 0U);
    const std::size_t size = data.facts.image_bytes();
    for (const std::uint32_t i : images) {
        const auto image = data.train.pixels.subspan(i * size, size);
        pixels_.insert(pixels_.end(), image.begin(), image.end());
        labels_.push_back(data.train.labels[i]);
    }
}

std::span<std::uint8_t> image_copies::pixels(std::size_t n) {
    const std::size_t size = of_.facts.image_bytes();
    return std::span(pixels_).subspan(n * size, size);
}

dataset image_copies::view() const {
    return {.facts = of_.facts, .train = {pixels_, labels_}, .test = of_.test};
}

} // namespace feddip::data
