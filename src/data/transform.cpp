#include "data/transform.hpp"

#include <algorithm>
#include <cstring>

namespace feddip::data {

namespace {

constexpr int border = 4;
constexpr int outside = -1;
constexpr std::size_t largest_side = 32;

// The coordinate in the image of one in the padded image, `outside` where padding is zero.
int unpadded(int padded, int size, padding beyond) {
    const int at = padded - border;
    if (at >= 0 && at < size) {
        return at;
    }
    if (beyond != padding::reflect) {
        return outside;
    }
    return at < 0 ? -at : 2 * (size - 1) - at;
}

std::vector<float> or_else(const std::vector<float>& values, int channels, float otherwise) {
    return values.empty() ? std::vector<float>(static_cast<std::size_t>(channels), otherwise) : values;
}

} // namespace

transform::transform(const dataset_facts& facts)
    : shape_(facts.shape), padding_(facts.beyond), mean_(or_else(facts.mean, shape_.channels, 0)),
      deviation_(or_else(facts.deviation, shape_.channels, 1)) {
    if (facts.pixels == pixel_kind::floats) {
        return;
    }
    value_.resize(mean_.size());
    for (std::size_t c = 0; c < value_.size(); ++c) {
        for (std::size_t byte = 0; byte < value_[c].size(); ++byte) {
            value_[c][byte] = (static_cast<float>(byte) / 255.0F - mean_[c]) / deviation_[c];
        }
    }
}

void transform::normalize(std::span<const std::uint8_t> pixels, std::span<float> out) const {
    const auto plane = static_cast<std::size_t>(shape_.height) * static_cast<std::size_t>(shape_.width);
    const bool floats = value_.empty();
    if (floats) {
        std::memcpy(out.data(), pixels.data(), pixels.size());
    }
    for (std::size_t c = 0; c < mean_.size(); ++c) {
        const auto channel = out.subspan(c * plane, plane);
        if (floats) {
            std::ranges::transform(channel, channel.begin(),
                                   [&](float x) { return (x - mean_[c]) / deviation_[c]; });
        } else {
            std::ranges::transform(pixels.subspan(c * plane, plane), channel.begin(),
                                   [&value = value_[c]](std::uint8_t byte) { return value[byte]; });
        }
    }
}

void transform::augment(std::span<const std::uint8_t> pixels, random_stream& random,
                        std::span<float> out) const {
    if (padding_ == padding::none) {
        normalize(pixels, out);
        return;
    }
    const int top = static_cast<int>(random.below(2 * border + 1));
    const int left = static_cast<int>(random.below(2 * border + 1));
    const bool flip = random.below(2) == 1;
    crop(pixels, top, left, flip, out);
}

void transform::crop(std::span<const std::uint8_t> pixels, int top, int left, bool flip,
                     std::span<float> out) const {
    const auto width = static_cast<std::size_t>(shape_.width);
    // A row with one byte more, to which columns outside the image point: it is black there.
    std::array<std::uint8_t, largest_side + 1> row{};
    std::array<std::uint8_t, largest_side> source{};
    for (int x = 0; x < shape_.width; ++x) {
        const int at = unpadded(left + (flip ? shape_.width - 1 - x : x), shape_.width, padding_);
        source[static_cast<std::size_t>(x)] = static_cast<std::uint8_t>(at == outside ? shape_.width : at);
    }
    float* write = out.data();
    for (std::size_t c = 0; c < static_cast<std::size_t>(shape_.channels); ++c) {
        const auto& value = value_[c];
        for (int y = 0; y < shape_.height; ++y) {
            const int at = unpadded(top + y, shape_.height, padding_);
            if (at == outside) {
                row.fill(0);
            } else {
                const auto first =
                    (c * static_cast<std::size_t>(shape_.height) + static_cast<std::size_t>(at)) * width;
                std::ranges::copy(pixels.subspan(first, width), row.begin());
            }
            for (std::size_t x = 0; x < width; ++x) {
                *write++ = value[row[source[x]]];
            }
        }
    }
}

} // namespace feddip::data
