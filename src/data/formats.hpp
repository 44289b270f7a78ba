// The file formats of the datasets. Counts, shapes and the number of classes come from the caller and must be
// met exactly; the file's own claims are only compared with them. All throw input_error.
#pragma once

#include "data/byte_source.hpp"
#include "data/dataset.hpp"

#include <cstdint>
#include <span>

namespace feddip::data {

// IDX (yann.lecun.com/exdb/mnist): big-endian magic number 0x00000803 or 0x00000801, then the sizes, then
// bytes. `pixels` has room for images of `shape` (one channel), `labels` for as many labels as are expected.
void read_idx_images(byte_source& file, image_shape shape, std::span<std::uint8_t> pixels);
void read_idx_labels(byte_source& file, int classes, std::span<std::uint8_t> labels);

// What a CIFAR record has before its pixels.
enum class cifar_labels {
    one,             // CIFAR-10: the class
    coarse_and_fine, // CIFAR-100: one of 20 superclasses, which is only checked, then the class
};
// Records of label bytes and channel planes (www.cs.toronto.edu/~kriz/cifar.html), one per label expected.
void read_cifar(byte_source& file, cifar_labels kind, image_shape shape, int classes,
                std::span<std::uint8_t> pixels, std::span<std::uint8_t> labels);

} // namespace feddip::data
