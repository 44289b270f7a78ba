#include "base/error.hpp"
#include "data/dataset.hpp"
#include "unit/data/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace feddip::data {
namespace {

using config::dataset_name;
using test::bytes;
using testing::Each;
using testing::HasSubstr;

namespace fs = std::filesystem;

// Sets an environment variable for as long as it lives.
class environment {
public:
    environment(const char* name, const std::string& value) : name_(name) {
        if (const char* old = std::getenv(name)) {
            old_ = old;
        }
        setenv(name, value.c_str(), 1);
    }
    ~environment() { setenv(name_, old_.c_str(), 1); }
    environment(const environment&) = delete;
    environment& operator=(const environment&) = delete;

private:
    const char* name_;
    std::string old_; // an empty one counts as none
};

void touch(const fs::path& file) {
    fs::create_directories(file.parent_path());
    test::write_file(file, {});
}

void touch_fashion_mnist(const fs::path& folder, const std::string& suffix) {
    for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                             "t10k-labels-idx1-ubyte"}) {
        touch(folder / (name + suffix));
    }
}

std::vector<std::size_t> class_counts(const image_set& set, int classes) {
    std::vector<std::size_t> counts(static_cast<std::size_t>(classes));
    for (const std::uint8_t label : set.labels) {
        ++counts.at(label);
    }
    return counts;
}

TEST(locate, finds_plain_and_gzip_files_in_the_folder_given) {
    const test::temporary_folder folder;
    touch_fashion_mnist(folder.path() / "plain", "");
    touch_fashion_mnist(folder.path() / "packed", ".gz");

    EXPECT_EQ(locate({dataset_name::fashion_mnist, (folder.path() / "plain").string()}),
              folder.path() / "plain");
    EXPECT_EQ(locate({dataset_name::fashion_mnist, (folder.path() / "packed").string()}),
              folder.path() / "packed");
}

TEST(locate, looks_into_the_subfolders_of_the_official_archives) {
    const test::temporary_folder folder;
    touch_fashion_mnist(folder.path() / "fashion-mnist", "");
    touch(folder.path() / "cifar-100-binary" / "train.bin");
    touch(folder.path() / "cifar-100-binary" / "test.bin");

    EXPECT_EQ(locate({dataset_name::fashion_mnist, folder.path().string()}), folder.path() / "fashion-mnist");
    EXPECT_EQ(locate({dataset_name::cifar_100, folder.path().string()}), folder.path() / "cifar-100-binary");
}

TEST(locate, prefers_the_folder_given_to_the_environment) {
    const test::temporary_folder given, surroundings;
    touch_fashion_mnist(given.path(), "");
    touch_fashion_mnist(surroundings.path(), "");
    const environment set("FEDDIP_DATA", surroundings.path().string());

    EXPECT_EQ(locate({dataset_name::fashion_mnist, given.path().string()}), given.path());
    EXPECT_EQ(locate({dataset_name::fashion_mnist, ""}), surroundings.path());
}

TEST(locate, does_not_look_elsewhere_when_the_folder_given_lacks_a_file) {
    const test::temporary_folder given, surroundings;
    touch_fashion_mnist(given.path(), "");
    fs::remove(given.path() / "t10k-labels-idx1-ubyte");
    touch_fashion_mnist(surroundings.path(), "");
    const environment set("FEDDIP_DATA", surroundings.path().string());

    const std::string complaint = test::message_of<input_error>([&] {
        locate({dataset_name::fashion_mnist, given.path().string()});
    });

    EXPECT_THAT(complaint, HasSubstr(given.path().string()));
    EXPECT_THAT(complaint, HasSubstr(given.path().string() + " lacks t10k-labels-idx1-ubyte;"));
    EXPECT_THAT(complaint, HasSubstr("data/get.sh"));
}

TEST(locate, names_every_place_and_what_to_do) {
    const test::temporary_folder empty;
    const environment set("FEDDIP_DATA", empty.path().string());

    const std::string complaint = test::message_of<input_error>([] {
        locate({dataset_name::cifar_100, ""});
    });

    for (const std::string& part :
         {std::string("cifar-100"), empty.path().string(), (fs::current_path() / "data/downloads").string(),
          std::string("data/get.sh"), std::string("FEDDIP_DATA")}) {
        EXPECT_THAT(complaint, HasSubstr(part));
    }
}

TEST(view, lays_sets_side_by_side_without_overlap) {
    const auto facts = facts_of(dataset_name::cifar_100);
    const std::vector<std::byte> storage(storage_size(facts));

    const dataset d = view(facts, storage);

    EXPECT_EQ(d.train.pixels.size(), facts.train_size * 3072);
    EXPECT_EQ(d.test.pixels.size(), facts.test_size * 3072);
    EXPECT_EQ(d.train.size(), facts.train_size);
    EXPECT_EQ(d.test.size(), facts.test_size);
    EXPECT_EQ(d.train.pixels.data() + d.train.pixels.size(), d.test.pixels.data());
    EXPECT_EQ(d.test.pixels.data() + d.test.pixels.size(), d.train.labels.data());
    EXPECT_EQ(d.train.labels.data() + d.train.labels.size(), d.test.labels.data());
    EXPECT_EQ(reinterpret_cast<const std::byte*>(d.test.labels.data() + d.test.labels.size()),
              storage.data() + storage.size());
}

TEST(read, refuses_storage_of_another_size) {
    std::vector<std::byte> storage(storage_size(facts_of(dataset_name::cifar_10)) - 1);

    EXPECT_THROW(read(facts_of(dataset_name::cifar_10), "nowhere", storage), error);
}

TEST(read, names_a_file_that_is_missing) {
    const test::temporary_folder empty;
    std::vector<std::byte> storage(storage_size(facts_of(dataset_name::cifar_10)));

    EXPECT_THAT(
        test::message_of<input_error>([&] { read(facts_of(dataset_name::cifar_10), empty.path(), storage); }),
        HasSubstr("data_batch_1.bin): there is no such file"));
}

TEST(read, puts_cifar_100_train_and_test_in_their_places) {
    const test::temporary_folder folder;
    const auto facts = facts_of(dataset_name::cifar_100);
    // Image i of a file has the label (i + first) % 100 and pixels equal to its label.
    const auto write = [&](const char* name, std::size_t images, std::size_t first) {
        bytes file;
        file.reserve(images * (facts.shape.size() + 2));
        for (std::size_t i = 0; i < images; ++i) {
            const auto label = static_cast<std::uint8_t>((i + first) % 100);
            file.push_back(static_cast<std::uint8_t>(label % 20));
            file.insert(file.end(), facts.shape.size() + 1, label);
        }
        test::write_file(folder.path() / name, file);
    };
    write("train.bin", facts.train_size, 0);
    write("test.bin", facts.test_size, 50);
    std::vector<std::byte> storage(storage_size(facts));

    const dataset d = read(facts_of(dataset_name::cifar_100), folder.path(), storage);

    EXPECT_EQ(d.train.labels[1234], 34);
    EXPECT_EQ(d.test.labels[1234], 84);
    EXPECT_THAT(d.train.pixels.subspan(49'999 * 3072), Each(99));
    EXPECT_THAT(d.test.pixels.subspan(9'999 * 3072), Each(49));
    EXPECT_THAT(class_counts(d.train, 100), Each(500));
}

TEST(read, gets_the_real_fashion_mnist) {
    std::string folder;
    try {
        folder = locate({dataset_name::fashion_mnist, ""}).string();
    } catch (const input_error& missing) {
        GTEST_SKIP() << missing.what();
    }
    std::vector<std::byte> storage(storage_size(facts_of(dataset_name::fashion_mnist)));

    const dataset d = read(facts_of(dataset_name::fashion_mnist), folder, storage);

    EXPECT_THAT(class_counts(d.train, 10), Each(6000));
    EXPECT_THAT(class_counts(d.test, 10), Each(1000));
    const dataset again = view(d.facts, storage);
    EXPECT_EQ(again.train.pixels.data(), d.train.pixels.data());
    // The corners of most clothes are background.
    std::size_t dark = 0;
    for (std::size_t i = 0; i < d.train.size(); ++i) {
        dark += d.train.pixels[i * 784] == 0 ? 1 : 0;
    }
    EXPECT_GT(dark, d.train.size() * 9 / 10);
}

TEST(read, gets_the_real_cifar_10) {
    const char* folder = std::getenv("FEDDIP_TEST_CIFAR10");
    if (folder == nullptr) {
        GTEST_SKIP() << "FEDDIP_TEST_CIFAR10 names no folder with the binary version of CIFAR-10";
    }
    std::vector<std::byte> storage(storage_size(facts_of(dataset_name::cifar_10)));

    const dataset d =
        read(facts_of(dataset_name::cifar_10), locate({dataset_name::cifar_10, folder}), storage);

    EXPECT_THAT(class_counts(d.train, 10), Each(5000));
    EXPECT_THAT(class_counts(d.test, 10), Each(1000));
    // The means per channel that the normalization assumes.
    const std::array<double, 3> means = {0.49139968, 0.48215827, 0.44653124};
    for (std::size_t c = 0; c < 3; ++c) {
        double sum = 0;
        for (std::size_t i = 0; i < d.train.size(); ++i) {
            for (std::size_t k = 0; k < 1024; ++k) {
                sum += d.train.pixels[i * 3072 + c * 1024 + k];
            }
        }
        EXPECT_NEAR(sum / 255 / 1024 / static_cast<double>(d.train.size()), means[c], 1e-3)
            << "channel " << c;
    }
}

} // namespace
} // namespace feddip::data
