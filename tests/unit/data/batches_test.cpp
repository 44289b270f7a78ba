#include "base/error.hpp"
#include "data/batches.hpp"
#include "unit/data/samples.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace feddip::data {
namespace {

using config::dataset_name;

// A dataset in which an image shows its own number: pixel 0 is number % 256, pixel 1 is number / 256.
test::made_dataset numbered(std::size_t train) {
    auto made = test::with_pixels(dataset_name::fashion_mnist, train, 10);
    for (std::size_t i = 0; i < train; ++i) {
        made.train_pixels[i * 784] = static_cast<std::uint8_t>(i % 256);
        made.train_pixels[i * 784 + 1] = static_cast<std::uint8_t>(i / 256);
    }
    return made;
}

std::uint32_t number_of(std::span<const float> image) {
    return static_cast<std::uint32_t>(std::lround(image[0] * 255) + 256 * std::lround(image[1] * 255));
}

struct epoch {
    std::vector<int> sizes;
    std::vector<std::uint32_t> images;
};

epoch run_epoch(training_batches& source, const dataset& data, random_stream& shuffling,
                random_stream& augmentation) {
    epoch seen;
    source.start_epoch(shuffling);
    for (int i = 0; i < source.batches(); ++i) {
        const batch b = source.next(augmentation);
        EXPECT_EQ(b.images.size(), b.labels.size() * 784);
        seen.sizes.push_back(b.size());
        for (std::size_t k = 0; k < b.labels.size(); ++k) {
            const std::uint32_t number = number_of(b.images.subspan(k * 784, 784));
            EXPECT_EQ(b.labels[k], data.train.labels[number]);
            seen.images.push_back(number);
        }
    }
    EXPECT_EQ(source.next(augmentation).size(), 0);
    return seen;
}

random_stream shuffling_of(std::uint32_t client) {
    return {1, 0, client, purpose::shuffling};
}
random_stream augmentation_of(std::uint32_t client) {
    return {1, 0, client, purpose::augmentation};
}

TEST(training_batches, shows_each_image_once_an_epoch_and_keeps_the_last_smaller_batch) {
    const auto made = numbered(1000);
    const dataset data = made.view();
    std::vector<std::uint32_t> share;
    for (std::uint32_t i = 3; i < 1000; i += 7) {
        share.push_back(i);
    }
    training_batches source(data, share, 64);
    auto shuffling = shuffling_of(0);
    auto augmentation = augmentation_of(0);

    auto seen = run_epoch(source, data, shuffling, augmentation);

    EXPECT_EQ(seen.sizes, (std::vector<int>{64, 64, 15}));
    EXPECT_NE(seen.images, share);
    std::ranges::sort(seen.images);
    EXPECT_EQ(seen.images, share);
}

TEST(training_batches, shuffles_anew_each_epoch) {
    const auto made = numbered(300);
    const dataset data = made.view();
    std::vector<std::uint32_t> share(300);
    std::iota(share.begin(), share.end(), 0U);
    training_batches source(data, share, 100);
    auto shuffling = shuffling_of(0);
    auto augmentation = augmentation_of(0);

    const auto first = run_epoch(source, data, shuffling, augmentation);
    const auto second = run_epoch(source, data, shuffling, augmentation);

    EXPECT_EQ(first.sizes, (std::vector<int>{100, 100, 100}));
    EXPECT_NE(first.images, second.images);
}

TEST(training_batches, forgets_the_epochs_before) {
    const auto made = numbered(300);
    const dataset data = made.view();
    std::vector<std::uint32_t> share(300);
    std::iota(share.begin(), share.end(), 0U);
    auto augmentation = augmentation_of(0);
    training_batches used(data, share, 32), fresh(data, share, 32);
    auto other = shuffling_of(9);
    run_epoch(used, data, other, augmentation);
    auto one = shuffling_of(2), same = shuffling_of(2);

    EXPECT_EQ(run_epoch(used, data, one, augmentation).images,
              run_epoch(fresh, data, same, augmentation).images);
}

TEST(training_batches, serves_a_client_with_fewer_images_than_a_batch) {
    const auto made = numbered(10);
    const dataset data = made.view();
    training_batches source(data, std::vector<std::uint32_t>{4, 7}, 128);
    auto shuffling = shuffling_of(0);
    auto augmentation = augmentation_of(0);

    EXPECT_EQ(run_epoch(source, data, shuffling, augmentation).sizes, (std::vector<int>{2}));
}

TEST(training_batches, has_no_batch_before_the_first_epoch_and_none_without_images) {
    const auto made = numbered(10);
    const dataset data = made.view();
    auto augmentation = augmentation_of(0);
    auto shuffling = shuffling_of(0);
    training_batches not_started(data, std::vector<std::uint32_t>{1, 2}, 4), empty(data, {}, 4);
    empty.start_epoch(shuffling);

    EXPECT_EQ(not_started.next(augmentation).size(), 0);
    EXPECT_EQ(empty.batches(), 0);
    EXPECT_EQ(empty.next(augmentation).size(), 0);
}

TEST(training_batches, augments_the_same_for_the_same_streams) {
    const auto made = test::with_pixels(dataset_name::cifar_10, 50, 10);
    const dataset data = made.view();
    std::vector<std::uint32_t> share(50);
    std::iota(share.begin(), share.end(), 0U);
    const auto first_batch = [&](std::uint32_t client) {
        training_batches source(data, share, 20);
        auto shuffling = shuffling_of(0);
        auto augmentation = augmentation_of(client);
        source.start_epoch(shuffling);
        const batch b = source.next(augmentation);
        return std::vector<float>(b.images.begin(), b.images.end());
    };

    EXPECT_EQ(first_batch(1), first_batch(1));
    EXPECT_NE(first_batch(1), first_batch(2));
}

TEST(training_batches, moves_nothing_while_it_runs) {
    const auto made = numbered(100);
    const dataset data = made.view();
    std::vector<std::uint32_t> share(100);
    std::iota(share.begin(), share.end(), 0U);
    training_batches source(data, share, 16);
    auto shuffling = shuffling_of(0);
    auto augmentation = augmentation_of(0);
    source.start_epoch(shuffling);
    const float* images = source.next(augmentation).images.data();
    for (int i = 0; i < 20; ++i) {
        source.start_epoch(shuffling);
        EXPECT_EQ(source.next(augmentation).images.data(), images);
    }
}

TEST(evaluation_batches, loads_the_images_asked_for_unaugmented) {
    const auto made = test::with_pixels(dataset_name::cifar_10, 10, 30);
    const dataset data = made.view();
    evaluation_batches source(data, data.test, 8);
    const transform t(data.facts);

    const std::vector<std::uint32_t> wanted = {29, 0, 13};
    const batch b = source.load(wanted);

    ASSERT_EQ(b.size(), 3);
    for (std::size_t k = 0; k < wanted.size(); ++k) {
        std::vector<float> expected(3072);
        t.normalize(data.test.pixels.subspan(wanted[k] * 3072, 3072), expected);
        EXPECT_TRUE(std::ranges::equal(b.images.subspan(k * 3072, 3072), expected));
        EXPECT_EQ(b.labels[k], data.test.labels[wanted[k]]);
    }
}

TEST(evaluation_batches, refuses_more_than_a_batch) {
    const auto made = test::with_pixels(dataset_name::cifar_10, 10, 30);
    const dataset data = made.view();
    evaluation_batches source(data, data.test, 2);

    EXPECT_THROW(source.load(std::vector<std::uint32_t>{1, 2, 3}), error);
    EXPECT_THROW(evaluation_batches(data, data.test, 0), error);
    EXPECT_THROW(training_batches(data, {}, -1), error);
}

} // namespace
} // namespace feddip::data
