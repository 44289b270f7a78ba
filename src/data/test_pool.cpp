#include "data/test_pool.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace feddip::data {

namespace {

std::vector<std::uint32_t> first_numbers(std::size_t count) {
    std::vector<std::uint32_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 0U);
    return numbers;
}

} // namespace

test_pool::test_pool(const dataset& data) : test_pool(data, first_numbers(data.test.size()), {}) {}

test_pool::test_pool(const dataset& data, std::vector<std::uint32_t> images, change how)
    : data_(data), images_(std::move(images)), how_(std::move(how)) {}

pool_batches::pool_batches(const test_pool& pool, int batch_size)
    : pool_(pool),
      pixels_(pool.how_ ? static_cast<std::size_t>(batch_size) * pool.data_.facts.image_bytes() : 0),
      labels_(pool.how_ ? static_cast<std::size_t>(batch_size) : 0), numbers_(first_numbers(labels_.size())),
      batches_(pool.data_, pool.how_ ? image_set{pixels_, labels_} : pool.data_.test, batch_size) {}

batch pool_batches::load(std::size_t first, std::size_t count) {
    const auto images = pool_.images().subspan(first, count);
    if (!pool_.how_) {
        return batches_.load(images);
    }
    const std::size_t size = pool_.data_.facts.image_bytes();
    for (std::size_t n = 0; n < count; ++n) {
        const auto pixels = std::span(pixels_).subspan(n * size, size);
        std::ranges::copy(pool_.data_.test.pixels.subspan(images[n] * size, size), pixels.begin());
        labels_[n] = pool_.data_.test.labels[images[n]];
        pool_.how_(images[n], pixels);
    }
    return batches_.load(std::span<const std::uint32_t>(numbers_).first(count));
}

} // namespace feddip::data
