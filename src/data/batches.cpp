#include "data/batches.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace feddip::data {

namespace {

std::size_t checked(int batch_size) {
    if (batch_size < 1) {
        throw error("cannot make batches", "batch size", fmt::format("{} is less than 1", batch_size));
    }
    return static_cast<std::size_t>(batch_size);
}

// Transforms one image after the other into `images` and copies their labels.
template <typename Transform>
batch gather(const image_set& set, std::span<const std::uint32_t> chosen, std::size_t image_bytes,
             std::size_t pixels, std::span<float> images, std::span<std::int32_t> labels,
             const Transform& transform_one) {
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        transform_one(set.pixels.subspan(chosen[i] * image_bytes, image_bytes),
                      images.subspan(i * pixels, pixels));
        labels[i] = set.labels[chosen[i]];
    }
    return {images.first(chosen.size() * pixels), labels.first(chosen.size())};
}

} // namespace

training_batches::training_batches(const dataset& data, std::span<const std::uint32_t> images, int batch_size)
    : set_(data.train), transform_(data.facts), image_bytes_(data.facts.image_bytes()),
      pixels_(data.facts.shape.size()), dealt_(images.begin(), images.end()), order_(dealt_),
      position_(order_.size()), images_(most_in_batch(batch_size) * pixels_),
      labels_(most_in_batch(batch_size)) {}

std::size_t training_batches::most_in_batch(int batch_size) const {
    return std::min(checked(batch_size), std::max<std::size_t>(1, dealt_.size()));
}

int training_batches::batches() const {
    return static_cast<int>((dealt_.size() + labels_.size() - 1) / labels_.size());
}

void training_batches::start_epoch(random_stream& shuffling) {
    std::ranges::copy(dealt_, order_.begin());
    shuffling.shuffle(std::span(order_));
    position_ = 0;
}

batch training_batches::next(random_stream& augmentation) {
    const std::size_t size = std::min(labels_.size(), order_.size() - position_);
    const auto chosen = std::span<const std::uint32_t>(order_).subspan(position_, size);
    position_ += size;
    return gather(set_, chosen, image_bytes_, pixels_, images_, labels_,
                  [&](std::span<const std::uint8_t> image, std::span<float> out) {
                      transform_.augment(image, augmentation, out);
                  });
}

evaluation_batches::evaluation_batches(const dataset& data, const image_set& set, int batch_size)
    : set_(set), transform_(data.facts), image_bytes_(data.facts.image_bytes()),
      pixels_(data.facts.shape.size()), images_(checked(batch_size) * pixels_), labels_(checked(batch_size)) {
}

batch evaluation_batches::load(std::span<const std::uint32_t> images) {
    if (images.size() > labels_.size()) {
        throw error("cannot load a batch", "evaluation",
                    fmt::format("{} images asked for, at most {} fit", images.size(), labels_.size()));
    }
    return gather(
        set_, images, image_bytes_, pixels_, images_, labels_,
        [&](std::span<const std::uint8_t> image, std::span<float> out) { transform_.normalize(image, out); });
}

} // namespace feddip::data
