// Images of one's own, to be changed.
#pragma once

#include "data/dataset.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace feddip::data {

// Copies of some training images.
class image_copies {
public:
    image_copies(const dataset& data, std::span<const std::uint32_t> images);

    std::size_t size() const { return labels_.size(); }
    std::span<std::uint8_t> pixels(std::size_t n);
    std::uint8_t& label(std::size_t n) { return labels_[n]; }

    // Whose training images are these, as long as they are there.
    dataset view() const;
    std::span<const std::uint32_t> images() const { return numbers_; } // all of them

private:
    dataset of_;
    std::vector<std::uint8_t> pixels_, labels_;
    std::vector<std::uint32_t> numbers_;
};

// Some training images as a client sees them: as they are in `data`, or changed.
class seen_images {
public:
    seen_images(const dataset& data, std::span<const std::uint32_t> images) : data_(&data), images_(images) {}
    explicit seen_images(image_copies copies) : copies_(std::move(copies)), changed_(copies_->view()) {}
    seen_images(seen_images&&) = default; // a copy would view the other's images

    const dataset& data() const { return changed_ ? *changed_ : *data_; }
    std::span<const std::uint32_t> images() const { return copies_ ? copies_->images() : images_; }

private:
    const dataset* data_ = nullptr;
    std::span<const std::uint32_t> images_;
    std::optional<image_copies> copies_;
    std::optional<dataset> changed_; // a view of the copies
};

} // namespace feddip::data
