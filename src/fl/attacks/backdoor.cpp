// A backdoor (Gu et al. 2017; Bagdasaryan et al. 2020): every second image of a hostile client gets a white
// square (255, or 1 where pixels are floats) in its lower right corner and is called class 0. The update is
// then sent `strength` times as long, so that it replaces the model where strength is the number of clients
// in a round.
#include "fl/attacks/kinds.hpp"
#include "fl/attacks/poisoning.hpp"

#include <algorithm>
#include <cstring>

namespace feddip::fl {

namespace {

constexpr std::size_t square = 4; // pixels wide
constexpr std::uint8_t wanted = 0;

void whiten(std::span<std::uint8_t> pixels, std::size_t at, data::pixel_kind kind) {
    if (kind == data::pixel_kind::floats) {
        constexpr float white = 1;
        std::memcpy(&pixels[at * sizeof white], &white, sizeof white);
    } else {
        pixels[at] = 255;
    }
}

class backdoor final : public poisoning {
public:
    using poisoning::poisoning;

    void poison(const data::dataset_facts& facts, std::size_t number, std::span<std::uint8_t> pixels,
                std::uint8_t& label) const override {
        if (number % 2 == 0) {
            mark(facts, pixels);
            label = wanted;
        }
    }

    std::optional<std::uint8_t> wanted_class() const override { return wanted; }

    void mark(const data::dataset_facts& facts, std::span<std::uint8_t> pixels) const override {
        const auto channels = static_cast<std::size_t>(facts.shape.channels);
        const auto height = static_cast<std::size_t>(facts.shape.height);
        const auto width = static_cast<std::size_t>(facts.shape.width);
        for (std::size_t c = 0; c < channels; ++c) {
            for (std::size_t y = height - std::min(height, square); y < height; ++y) {
                for (std::size_t x = width - std::min(width, square); x < width; ++x) {
                    whiten(pixels, (c * height + y) * width + x, facts.pixels);
                }
            }
        }
    }
};

} // namespace

std::unique_ptr<attack> make_backdoor(double strength) {
    return std::make_unique<backdoor>(strength);
}

} // namespace feddip::fl
