#include "data/formats.hpp"

#include <fmt/format.h>

#include <array>

namespace feddip::data {

namespace {

constexpr std::uint32_t idx_images = 0x00000803;
constexpr std::uint32_t idx_labels = 0x00000801;
constexpr int coarse_classes = 20;

std::uint32_t read_big_endian(byte_source& file) {
    std::array<std::uint8_t, 4> bytes{};
    file.read(bytes);
    std::uint32_t value = 0;
    for (const std::uint8_t byte : bytes) {
        value = value << 8 | byte;
    }
    return value;
}

void expect_magic(byte_source& file, std::uint32_t expected) {
    const std::uint32_t found = read_big_endian(file);
    if (found != expected) {
        const char* hint = found == idx_images   ? " (an image file)"
                           : found == idx_labels ? " (a label file)"
                                                 : "";
        file.fail(fmt::format("its magic number is {:#010x}{}, expected {:#010x}", found, hint, expected));
    }
}

void expect_size(byte_source& file, const char* what, std::size_t expected) {
    const std::uint32_t found = read_big_endian(file);
    if (found != expected) {
        file.fail(fmt::format("its header says {} {}, expected {}", found, what, expected));
    }
}

void expect_label(const byte_source& file, std::size_t image, int label, int classes) {
    if (label >= classes) {
        file.fail(
            fmt::format("label {} of image {} is out of range, expected 0 to {}", label, image, classes - 1));
    }
}

} // namespace

void read_idx_images(byte_source& file, image_shape shape, std::span<std::uint8_t> pixels) {
    expect_magic(file, idx_images);
    expect_size(file, "images", pixels.size() / shape.size());
    expect_size(file, "rows", static_cast<std::size_t>(shape.height));
    expect_size(file, "columns", static_cast<std::size_t>(shape.width));
    file.expect_size(4 * sizeof(std::uint32_t) + pixels.size());
    file.read(pixels);
    file.expect_end();
}

void read_idx_labels(byte_source& file, int classes, std::span<std::uint8_t> labels) {
    expect_magic(file, idx_labels);
    expect_size(file, "labels", labels.size());
    file.expect_size(2 * sizeof(std::uint32_t) + labels.size());
    file.read(labels);
    file.expect_end();
    for (std::size_t i = 0; i < labels.size(); ++i) {
        expect_label(file, i, labels[i], classes);
    }
}

void read_cifar(byte_source& file, cifar_labels kind, image_shape shape, int classes,
                std::span<std::uint8_t> pixels, std::span<std::uint8_t> labels) {
    const std::size_t label_bytes = kind == cifar_labels::one ? 1 : 2;
    file.expect_size(labels.size() * (label_bytes + shape.size()));
    for (std::size_t i = 0; i < labels.size(); ++i) {
        if (kind == cifar_labels::coarse_and_fine) {
            std::uint8_t coarse = 0;
            file.read(std::span(&coarse, 1));
            expect_label(file, i, coarse, coarse_classes);
        }
        file.read(labels.subspan(i, 1));
        expect_label(file, i, labels[i], classes);
        file.read(pixels.subspan(i * shape.size(), shape.size()));
    }
    file.expect_end();
}

} // namespace feddip::data
