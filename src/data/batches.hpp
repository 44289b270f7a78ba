// From bytes to what a network eats: transformed float images in minibatches.
#pragma once

#include "base/random.hpp"
#include "data/dataset.hpp"
#include "data/transform.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace feddip::data {

// A minibatch: images [size][channels][height][width] as floats, and their labels.
// A view: valid until the source that made it is asked for the next one.
struct batch {
    std::span<const float> images;
    std::span<const std::int32_t> labels;
    int size() const { return static_cast<int>(labels.size()); }
};

// One epoch of training data of one client: shuffled, augmented and normalized as the dataset's transform
// says; the last, smaller batch is kept. All randomness comes from the two streams, which
// the caller keeps from epoch to epoch: an epoch's order depends on the shuffling stream alone, not on the
// epochs before. No allocation after construction.
class training_batches {
public:
    // `images` are indices into data.train; they are copied.
    training_batches(const dataset& data, std::span<const std::uint32_t> images, int batch_size);

    int batches() const; // per epoch
    void start_epoch(random_stream& shuffling);
    // Empty after the last batch of the epoch, and before the first epoch.
    batch next(random_stream& augmentation);

private:
    std::size_t most_in_batch(int batch_size) const;

    image_set set_;
    transform transform_;
    std::size_t image_bytes_, pixels_; // of an image, stored and as floats
    std::vector<std::uint32_t> dealt_, order_;
    std::size_t position_;
    std::vector<float> images_;
    std::vector<std::int32_t> labels_;
};

// Test (or training) images in the order given, normalized but not augmented.
class evaluation_batches {
public:
    // The view `set` is data.train or data.test.
    evaluation_batches(const dataset& data, const image_set& set, int batch_size);
    batch load(std::span<const std::uint32_t> images); // at most batch_size of them

private:
    image_set set_;
    transform transform_;
    std::size_t image_bytes_, pixels_; // of an image, stored and as floats
    std::vector<float> images_;
    std::vector<std::int32_t> labels_;
};

} // namespace feddip::data
