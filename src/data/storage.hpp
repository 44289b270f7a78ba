// How a dataset lies in one piece of memory.
#pragma once

#include "data/dataset.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace feddip::data {

struct mutable_set {
    std::span<std::uint8_t> pixels, labels;
    std::span<std::int32_t> clients;
};
struct mutable_dataset {
    mutable_set train, test;
};

// [training clients | test clients | training pixels | test pixels | training labels | test labels], which
// keeps the numbers of four bytes aligned where `storage` is. Throws error unless it has storage_size()
// bytes.
mutable_dataset divide(const dataset_facts& facts, std::span<std::byte> storage);

} // namespace feddip::data
