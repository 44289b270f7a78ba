#include "base/error.hpp"
#include "data/batches.hpp"
#include "data/image_file.hpp"
#include "data/partition.hpp"
#include "unit/data/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace feddip::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const config::data_section as_given{
    .dataset = config::dataset_name::file, .path = "own.h5", .partition = config::partition_kind::given};

// Two training images and one for testing, of 1 x 1 x 2 pixels.
class own_file : public ::testing::Test {
protected:
    own_file() : file_(h5::file::create("own")) {
        file_.write<std::int32_t>("/train/labels", {2, 0});
        file_.write<std::int32_t>("/test/labels", {1});
        file_.set_attribute("/", "classes", std::int32_t{3});
    }

    template <typename T>
    void put_images(const std::vector<T>& train, const std::vector<T>& test) {
        file_.write("/train/images", std::span<const T>(train), {2, 1, 1, 2});
        file_.write("/test/images", std::span<const T>(test), {1, 1, 1, 2});
    }
    void put_clients(const std::vector<std::int32_t>& train, const std::vector<std::int32_t>& test) {
        file_.write("/train/clients", train);
        file_.write("/test/clients", test);
    }

    dataset read() {
        const auto path = folder_.path() / "own.h5";
        const auto image = file_.image();
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(image.data());
        test::write_file(path, {bytes, bytes + image.size()});
        const auto facts =
            facts_of({.dataset = config::dataset_name::file, .path = path.string(), .partition = {}});
        storage_.resize(storage_size(facts));
        return data::read(facts, path, storage_);
    }

    h5::file file_;
    test::temporary_folder folder_;
    std::vector<std::byte> storage_;
};

TEST_F(own_file, gives_bytes_labels_and_facts) {
    put_images<std::uint8_t>({0, 51, 102, 255}, {1, 2});

    const dataset d = read();

    EXPECT_EQ(d.facts.shape, (image_shape{1, 1, 2}));
    EXPECT_EQ(d.facts.classes, 3);
    EXPECT_THAT(d.train.pixels, ElementsAre(0, 51, 102, 255));
    EXPECT_THAT(d.train.labels, ElementsAre(2, 0));
    EXPECT_THAT(d.test.pixels, ElementsAre(1, 2));
    EXPECT_THAT(d.test.labels, ElementsAre(1));
    EXPECT_TRUE(d.train.clients.empty());
}

TEST_F(own_file, bytes_become_shares_of_255_then_normalized) {
    put_images<std::uint8_t>({0, 51, 102, 255}, {0, 0});
    file_.write<float>("/mean", {0.5F});
    file_.write<float>("/deviation", {0.25F});

    const dataset d = read();
    evaluation_batches loader(d, d.train, 2);
    const std::vector<std::uint32_t> order{1, 0};

    EXPECT_THAT(loader.load(order).images,
                ElementsAre((102 / 255.0F - 0.5F) / 0.25F, 2.0F, -2.0F, (51 / 255.0F - 0.5F) / 0.25F));
}

TEST_F(own_file, floats_are_taken_as_they_are_but_for_mean_and_deviation) {
    put_images<float>({-1, 0, 3.5F, 1000}, {1, 2});
    {
        const dataset d = read();
        evaluation_batches loader(d, d.train, 2);
        EXPECT_THAT(loader.load(std::vector<std::uint32_t>{1}).images, ElementsAre(3.5F, 1000.0F));
    }
    file_.write<float>("/mean", {1});
    file_.write<float>("/deviation", {2});
    const dataset d = read();
    training_batches batches(d, std::vector<std::uint32_t>{0}, 1);
    random_stream random(1, 0, 0, purpose::shuffling);
    batches.start_epoch(random);
    EXPECT_THAT(batches.next(random).images, ElementsAre(-1.0F, -0.5F));
}

TEST_F(own_file, clients_get_their_own_images) {
    put_images<std::uint8_t>({0, 1, 2, 3}, {4, 5});
    put_clients({1, 0}, {1});

    const dataset d = read();
    const partition p = make_partition(d, as_given, 2, 1);

    EXPECT_THAT(p.train, ElementsAre(ElementsAre(1U), ElementsAre(0U)));
    EXPECT_THAT(p.test, ElementsAre(ElementsAre(), ElementsAre(0U)));
}

TEST_F(own_file, a_federation_of_another_size_is_told_the_files) {
    put_images<std::uint8_t>({0, 1, 2, 3}, {4, 5});
    put_clients({0, 0}, {0});
    const dataset d = read();
    EXPECT_THAT(test::message_of<input_error>([&] { make_partition(d, as_given, 2, 1); }),
                HasSubstr("set federation.clients = 1"));
}

TEST_F(own_file, a_client_without_training_images_is_refused) {
    put_images<std::uint8_t>({0, 1, 2, 3}, {4, 5});
    put_clients({1, 1}, {0});
    const dataset d = read();
    EXPECT_THAT(test::message_of<input_error>([&] { make_partition(d, as_given, 2, 1); }),
                AllOf(HasSubstr("/train/clients"), HasSubstr("no training image is of client 0"),
                      HasSubstr("number the clients without gaps")));
}

TEST_F(own_file, without_clients_no_shares_are_given) {
    put_images<std::uint8_t>({0, 1, 2, 3}, {4, 5});
    const dataset d = read();
    EXPECT_THROW(make_partition(d, as_given, 2, 1), input_error);
}

} // namespace
} // namespace feddip::data
