#include "base/error.hpp"
#include "data/formats.hpp"
#include "unit/data/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace feddip::data {
namespace {

using test::big_endian;
using test::bytes;
using test::operator+;
using test::counting;
using testing::HasSubstr;

constexpr image_shape small{1, 3, 4};
constexpr image_shape colour{3, 2, 2};
constexpr std::uint32_t images_magic = 0x803, labels_magic = 0x801;

bytes idx_images(const bytes& file, std::size_t count) {
    bytes pixels(count * small.size());
    auto source = open_memory(file, "images");
    read_idx_images(source, small, pixels);
    return pixels;
}

bytes idx_labels(const bytes& file, std::size_t count) {
    bytes labels(count);
    auto source = open_memory(file, "labels");
    read_idx_labels(source, 10, labels);
    return labels;
}

std::string images_complaint(const bytes& file, std::size_t count) {
    return test::message_of<input_error>([&] { idx_images(file, count); });
}

std::string labels_complaint(const bytes& file, std::size_t count) {
    return test::message_of<input_error>([&] { idx_labels(file, count); });
}

struct cifar_content {
    bytes pixels, labels;
};

cifar_content cifar(const bytes& file, cifar_labels kind, int classes, std::size_t count) {
    cifar_content out{bytes(count * colour.size()), bytes(count)};
    auto source = open_memory(file, "batch");
    read_cifar(source, kind, colour, classes, out.pixels, out.labels);
    return out;
}

std::string cifar_complaint(const bytes& file, cifar_labels kind, std::size_t count) {
    return test::message_of<input_error>(
        [&] { cifar(file, kind, kind == cifar_labels::one ? 10 : 100, count); });
}

TEST(idx, gives_pixels_and_labels_in_the_order_of_the_file) {
    const bytes pixels = counting(5 * small.size());
    const bytes labels = {3, 1, 4, 1, 5};

    EXPECT_EQ(idx_images(big_endian({images_magic, 5, 3, 4}) + pixels, 5), pixels);
    EXPECT_EQ(idx_labels(big_endian({labels_magic, 5}) + labels, 5), labels);
}

TEST(idx, reads_gzip_just_as_well) {
    const bytes pixels = counting(5 * small.size());

    EXPECT_EQ(idx_images(test::gzip(big_endian({images_magic, 5, 3, 4}) + pixels), 5), pixels);
}

TEST(idx, names_a_wrong_magic_number_and_recognizes_swapped_files) {
    const bytes images = big_endian({images_magic, 1, 3, 4}) + counting(small.size());
    const bytes labels = big_endian({labels_magic, 1, 7, 7}) + counting(64);

    EXPECT_THAT(images_complaint(labels, 1), HasSubstr("0x00000801 (a label file), expected 0x00000803"));
    EXPECT_THAT(labels_complaint(images, 1), HasSubstr("0x00000803 (an image file), expected 0x00000801"));
    EXPECT_THAT(images_complaint(big_endian({0x03080000, 1, 3, 4}), 1), HasSubstr("0x03080000"));
}

TEST(idx, names_each_wrong_dimension) {
    const bytes pixels = counting(5 * small.size());

    EXPECT_THAT(images_complaint(big_endian({images_magic, 4, 3, 4}) + pixels, 5),
                HasSubstr("its header says 4 images, expected 5"));
    EXPECT_THAT(images_complaint(big_endian({images_magic, 5, 4, 3}) + pixels, 5),
                HasSubstr("its header says 4 rows, expected 3"));
    EXPECT_THAT(images_complaint(big_endian({images_magic, 5, 3, 5}) + pixels, 5),
                HasSubstr("its header says 5 columns, expected 4"));
    EXPECT_THAT(labels_complaint(big_endian({labels_magic, 0xffffffff}), 5),
                HasSubstr("its header says 4294967295 labels, expected 5"));
}

TEST(idx, refuses_every_truncation_and_anything_that_follows) {
    const bytes whole = big_endian({images_magic, 2, 3, 4}) + counting(2 * small.size());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));

        EXPECT_THAT(images_complaint(cut, 2), HasSubstr("it ends after " + std::to_string(size)));
        if (size >= 16) {
            EXPECT_THAT(images_complaint(cut, 2),
                        HasSubstr("bytes, expected " + std::to_string(whole.size())));
        }
    }
    EXPECT_THAT(images_complaint(whole + bytes{0}, 2), HasSubstr("it goes on after"));
}

TEST(idx, refuses_a_label_that_is_no_class) {
    EXPECT_THAT(labels_complaint(big_endian({labels_magic, 3}) + bytes{9, 10, 0}, 3),
                HasSubstr("label 10 of image 1 is out of range, expected 0 to 9"));
}

TEST(cifar, separates_labels_from_planes) {
    const bytes first = counting(colour.size()), second = counting(colour.size(), 5);

    const auto ten = cifar(bytes{7} + first + bytes{2} + second, cifar_labels::one, 10, 2);
    EXPECT_EQ(ten.labels, (bytes{7, 2}));
    EXPECT_EQ(ten.pixels, first + second);
}

TEST(cifar, takes_the_fine_label_of_cifar_100) {
    const bytes first = counting(colour.size()), second = counting(colour.size(), 5);

    const auto hundred =
        cifar(bytes{19, 99} + first + bytes{0, 42} + second, cifar_labels::coarse_and_fine, 100, 2);
    EXPECT_EQ(hundred.labels, (bytes{99, 42}));
    EXPECT_EQ(hundred.pixels, first + second);
}

TEST(cifar, refuses_labels_out_of_range) {
    const bytes image = counting(colour.size());

    EXPECT_THAT(cifar_complaint(bytes{10} + image, cifar_labels::one, 1), HasSubstr("label 10 of image 0"));
    EXPECT_THAT(cifar_complaint(bytes{0, 100} + image, cifar_labels::coarse_and_fine, 1),
                HasSubstr("label 100 of image 0 is out of range, expected 0 to 99"));
    EXPECT_THAT(cifar_complaint(bytes{20, 0} + image, cifar_labels::coarse_and_fine, 1),
                HasSubstr("label 20 of image 0 is out of range, expected 0 to 19"));
}

TEST(cifar, refuses_every_truncation_and_anything_that_follows) {
    const bytes whole = bytes{1} + counting(colour.size()) + bytes{2} + counting(colour.size());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));

        EXPECT_THAT(cifar_complaint(cut, cifar_labels::one, 2),
                    HasSubstr("it ends after " + std::to_string(size) + " bytes, expected 26;"));
    }
    EXPECT_THAT(cifar_complaint(whole + bytes{0}, cifar_labels::one, 2), HasSubstr("it goes on after"));
}

} // namespace
} // namespace feddip::data
