// Image classification data as bytes, the way the original files have them.
#pragma once

#include "config/config.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace feddip::data {

struct image_shape {
    int channels, height, width;
    std::size_t size() const { return static_cast<std::size_t>(channels) * height * width; }
    bool operator==(const image_shape&) const = default;
};

enum class pixel_kind {
    bytes,  // 0 to 255, that stand for 0 to 1
    floats, // taken as they are
};

// How an image continues beyond its border, where training images are cropped at random.
enum class padding { none, zero, reflect };

// What is known of a dataset before its images are read.
struct dataset_facts {
    config::dataset_name name;
    image_shape shape;
    int classes;
    std::size_t train_size, test_size; // images
    pixel_kind pixels = pixel_kind::bytes;
    std::vector<float> mean{}, deviation{}; // by channel, of what the network sees; empty: 0 and 1
    padding beyond = padding::none;
    bool has_clients = false;               // whether each image says whose it is
    std::vector<std::string> class_names{}; // as many as classes, or none

    std::size_t image_bytes() const {
        return shape.size() * (pixels == pixel_kind::floats ? sizeof(float) : 1);
    }
};
dataset_facts facts_of(config::dataset_name name); // but dataset_name::file
// The same, or what the file says (data/image_file.hpp). Throws input_error.
dataset_facts facts_of(const config::data_section& settings);

// One half of a dataset: views into memory that somebody else owns.
struct image_set {
    std::span<const std::uint8_t> pixels; // size() x channels x height x width bytes, or as many floats
    std::span<const std::uint8_t> labels;
    std::span<const std::int32_t> clients{}; // whose each image is; empty: not known
    std::size_t size() const { return labels.size(); }
};

struct dataset {
    dataset_facts facts;
    image_set train, test;
};

// Bytes that `read` needs.
std::size_t storage_size(const dataset_facts& facts);

// Where the files of a dataset lie: `path` when given, else the usual places (FEDDIP_DATA, data/downloads
// beside the working directory, Debian's dataset-fashion-mnist). Throws input_error naming every place looked
// at and how to get the data.
std::filesystem::path locate(const config::data_section& settings);

// Reads and checks what `locate` has found (sizes, magic numbers, labels in range) into `storage`, which must
// have storage_size() bytes and outlive the result: it may be memory shared between ranks. Throws
// input_error.
dataset read(const dataset_facts& facts, const std::filesystem::path& place, std::span<std::byte> storage);

// The dataset that another rank has read into `storage`.
dataset view(const dataset_facts& facts, std::span<const std::byte> storage);

} // namespace feddip::data
