// The held-out images that a model is tested on, which may drift (drift.hpp).
#pragma once

#include "data/batches.hpp"
#include "data/dataset.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace feddip::data {

class test_pool {
public:
    // Changes the stored pixels of a test image; the same whenever it is asked.
    using change = std::function<void(std::uint32_t image, std::span<std::uint8_t> pixels)>;

    // Not explicit: a dataset stands for all of its test images, as they are. It outlives the pool.
    test_pool(const dataset& data);
    // Some of them, ascending; an empty `how` leaves them as they are.
    test_pool(const dataset& data, std::vector<std::uint32_t> images, change how);

    std::size_t size() const { return images_.size(); }
    std::span<const std::uint32_t> images() const { return images_; } // indices into data.test

private:
    friend class pool_batches;

    const dataset& data_;
    std::vector<std::uint32_t> images_;
    change how_;
};

class pool_batches {
public:
    pool_batches(const test_pool& pool, int batch_size); // the pool outlives it
    // A view of `count` <= batch_size images, from the pool's `first` on: normalized, not augmented.
    batch load(std::size_t first, std::size_t count);

private:
    const test_pool& pool_;
    std::vector<std::uint8_t> pixels_, labels_; // of a batch of changed images
    std::vector<std::uint32_t> numbers_;        // 0, 1 ... of these
    evaluation_batches batches_;
};

} // namespace feddip::data
