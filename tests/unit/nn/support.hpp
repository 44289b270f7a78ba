// What the tests of this room share.
#pragma once

#include "base/random.hpp"
#include "nn/models/model.hpp"
#include "nn/network.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace feddip::nn::test {

// Images and labels drawn from a stream of their own.
struct synthetic_batch {
    std::vector<float> images;
    std::vector<std::int32_t> labels;

    synthetic_batch(data::image_shape shape, int size, int classes, std::uint32_t seed = 1)
        : images(shape.size() * static_cast<std::size_t>(size)), labels(static_cast<std::size_t>(size)) {
        random_stream random(seed, 0, 0, purpose::test);
        std::ranges::generate(images, [&] { return 2 * random.uniform() - 1; });
        std::ranges::generate(labels, [&] {
            return static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(classes)));
        });
    }
    data::batch view() const { return {images, labels}; }
    data::batch first(int size) const {
        const auto n = static_cast<std::size_t>(size);
        return {std::span(images).first(n * (images.size() / labels.size())), std::span(labels).first(n)};
    }
};

// Weights as initialize() draws them; norm scales and shifts are drawn too, so that no gradient is special.
inline void draw_state(network& net, std::uint64_t seed) {
    initialize(net.layout(), seed, net.state());
    random_stream random(seed, 1, 0, purpose::test);
    for (const parameter& p : net.layout().parameters()) {
        if (p.what == role::norm_scale || p.what == role::norm_shift) {
            const float middle = p.what == role::norm_scale ? 1.0F : 0.0F;
            std::ranges::generate(net.state().subspan(p.offset, p.size),
                                  [&] { return middle + 0.5F * (random.uniform() - 0.5F); });
        }
    }
}

inline random_stream dropout_stream() {
    return {7, 0, 0, purpose::dropout};
}

} // namespace feddip::nn::test
