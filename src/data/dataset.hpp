// Image classification data as bytes, the way the original files have them.
#pragma once

#include "config/config.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace feddip::data {

struct image_shape {
    int channels, height, width;
    std::size_t size() const { return static_cast<std::size_t>(channels) * height * width; }
    bool operator==(const image_shape&) const = default;
};

// What is known of a dataset before its files are read.
struct dataset_facts {
    config::dataset_name name;
    image_shape shape;
    int classes;
    std::size_t train_size, test_size; // images
};
dataset_facts facts_of(config::dataset_name name);

// One half of a dataset: views into memory that somebody else owns.
struct image_set {
    std::span<const std::uint8_t> pixels; // size() x channels x height x width
    std::span<const std::uint8_t> labels;
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
std::filesystem::path locate(config::dataset_name name, const std::string& path);

// Reads and checks the files in `folder` (sizes, magic numbers, labels in range) into `storage`, which must
// have storage_size() bytes and outlive the result: it may be memory shared between ranks. Throws
// input_error.
dataset read(config::dataset_name name, const std::filesystem::path& folder, std::span<std::byte> storage);

// The dataset that another rank has read into `storage`.
dataset view(const dataset_facts& facts, std::span<const std::byte> storage);

} // namespace feddip::data
