#include "data/dataset.hpp"

#include "base/error.hpp"
#include "data/formats.hpp"
#include "data/image_file.hpp"
#include "data/storage.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <optional>
#include <vector>

namespace feddip::data {

namespace fs = std::filesystem;

namespace {

constexpr int cifar_10_training_files = 5;

std::vector<std::string> files_of(config::dataset_name name) {
    switch (name) {
    case config::dataset_name::fashion_mnist:
        return {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                "t10k-labels-idx1-ubyte"};
    case config::dataset_name::cifar_10: {
        std::vector<std::string> files;
        for (int i = 1; i <= cifar_10_training_files; ++i) {
            files.push_back(fmt::format("data_batch_{}.bin", i));
        }
        files.emplace_back("test_batch.bin");
        return files;
    }
    case config::dataset_name::cifar_100:
        return {"train.bin", "test.bin"};
    case config::dataset_name::file:
        break;
    }
    throw error("no files are known", "dataset", "unknown dataset");
}

// Folders below a data folder in which people keep a dataset, the name of the official archive among them.
std::vector<std::string> subfolders_of(config::dataset_name name) {
    switch (name) {
    case config::dataset_name::fashion_mnist:
        return {"", "fashion-mnist", "FashionMNIST/raw"};
    case config::dataset_name::cifar_10:
        return {"", "cifar-10-batches-bin", "cifar-10"};
    case config::dataset_name::cifar_100:
        return {"", "cifar-100-binary", "cifar-100"};
    case config::dataset_name::file:
        break;
    }
    return {""};
}

bool is_there(const fs::path& file) {
    std::error_code ignored;
    return fs::exists(file, ignored);
}

// The file itself or its gzip version.
std::optional<fs::path> find_file(const fs::path& folder, const std::string& name) {
    for (const char* suffix : {"", ".gz"}) {
        if (fs::path file = folder / (name + suffix); is_there(file)) {
            return file;
        }
    }
    return std::nullopt;
}

std::vector<std::string> missing_files(const fs::path& folder, config::dataset_name name) {
    std::vector<std::string> missing = files_of(name);
    std::erase_if(missing, [&](const std::string& file) { return find_file(folder, file).has_value(); });
    return missing;
}

// Where to look, the best first.
std::vector<fs::path> roots_of(config::dataset_name name, const std::string& path) {
    if (!path.empty()) {
        return {path};
    }
    std::vector<fs::path> roots;
    if (const char* folder = std::getenv("FEDDIP_DATA"); folder != nullptr && *folder != '\0') {
        roots.emplace_back(folder);
    }
    roots.emplace_back("data/downloads");
    if (name == config::dataset_name::fashion_mnist) {
        roots.emplace_back("/usr/share/datasets");
    }
    return roots;
}

byte_source open(const fs::path& folder, const std::string& name) {
    const auto file = find_file(folder, name);
    if (!file) {
        throw input_error("cannot read data", (folder / name).string(),
                          "there is no such file, nor one ending in .gz; fetch it with data/get.sh");
    }
    return open_file(*file);
}

void read_fashion_mnist(const dataset_facts& facts, const fs::path& folder, const mutable_dataset& parts) {
    const auto files = files_of(facts.name);
    auto train_images = open(folder, files[0]);
    read_idx_images(train_images, facts.shape, parts.train.pixels);
    auto train_labels = open(folder, files[1]);
    read_idx_labels(train_labels, facts.classes, parts.train.labels);
    auto test_images = open(folder, files[2]);
    read_idx_images(test_images, facts.shape, parts.test.pixels);
    auto test_labels = open(folder, files[3]);
    read_idx_labels(test_labels, facts.classes, parts.test.labels);
}

// `files` hold equal parts of the set.
void read_cifar_set(const dataset_facts& facts, const fs::path& folder, cifar_labels kind,
                    std::span<const std::string> files, const mutable_set& set) {
    const std::size_t images = set.labels.size() / files.size();
    for (std::size_t i = 0; i < files.size(); ++i) {
        auto file = open(folder, files[i]);
        read_cifar(file, kind, facts.shape, facts.classes,
                   set.pixels.subspan(i * images * facts.shape.size(), images * facts.shape.size()),
                   set.labels.subspan(i * images, images));
    }
}

void read_cifar_files(const dataset_facts& facts, const fs::path& folder, const mutable_dataset& parts) {
    const auto kind =
        facts.name == config::dataset_name::cifar_10 ? cifar_labels::one : cifar_labels::coarse_and_fine;
    const auto files = files_of(facts.name);
    const auto all = std::span(files);
    read_cifar_set(facts, folder, kind, all.first(all.size() - 1), parts.train);
    read_cifar_set(facts, folder, kind, all.last(1), parts.test);
}

} // namespace

dataset_facts facts_of(config::dataset_name name) {
    dataset_facts facts{name, {3, 32, 32}, config::classes_of(name), 50'000, 10'000};
    switch (name) {
    case config::dataset_name::fashion_mnist:
        facts.shape = {1, 28, 28};
        facts.train_size = 60'000;
        return facts;
    case config::dataset_name::cifar_10:
        facts.mean = {0.49139968F, 0.48215827F, 0.44653124F};
        facts.deviation = {0.24703233F, 0.24348505F, 0.26158768F};
        facts.beyond = padding::zero;
        return facts;
    case config::dataset_name::cifar_100:
        facts.mean = {0.507F, 0.487F, 0.441F};
        facts.deviation = {0.267F, 0.256F, 0.276F};
        facts.beyond = padding::reflect;
        return facts;
    case config::dataset_name::file:
        break;
    }
    throw error("no facts are known", "dataset", "unknown dataset");
}

dataset_facts facts_of(const config::data_section& settings) {
    return settings.dataset == config::dataset_name::file ? facts_of(h5::foreign_file::open(settings.path))
                                                          : facts_of(settings.dataset);
}

std::size_t storage_size(const dataset_facts& facts) {
    return (facts.train_size + facts.test_size) *
           (facts.image_bytes() + 1 + (facts.has_clients ? sizeof(std::int32_t) : 0));
}

fs::path locate(const config::data_section& settings) {
    const auto name = settings.dataset;
    const std::string& path = settings.path;
    if (name == config::dataset_name::file) {
        return path;
    }
    const std::size_t files = files_of(name).size();
    std::vector<std::string> places;
    std::string incomplete;
    for (const fs::path& root : roots_of(name, path)) {
        for (const std::string& subfolder : subfolders_of(name)) {
            const fs::path folder = subfolder.empty() ? root : root / subfolder;
            const auto missing = missing_files(folder, name);
            if (missing.empty()) {
                return folder;
            }
            if (missing.size() < files) {
                incomplete += fmt::format("; {} lacks {}", folder.string(), fmt::join(missing, ", "));
            }
        }
        std::error_code no_folder; // the current one may be gone
        const fs::path whole = fs::absolute(root, no_folder);
        places.push_back((no_folder ? root : whole).string());
    }
    throw input_error("cannot find dataset " + to_string(name),
                      path.empty() ? "data.path is empty" : "data.path",
                      fmt::format("no folder with {} in {} or below{}; fetch it with data/get.sh, or set "
                                  "data.path or FEDDIP_DATA{}",
                                  fmt::join(files_of(name), ", "), fmt::join(places, ", "), incomplete,
                                  name == config::dataset_name::fashion_mnist
                                      ? ", or install Debian's package dataset-fashion-mnist"
                                      : ""));
}

dataset read(const dataset_facts& facts, const fs::path& place, std::span<std::byte> storage) {
    if (facts.name == config::dataset_name::file) {
        return read_images(h5::foreign_file::open(place), facts, storage);
    }
    const mutable_dataset parts = divide(facts, storage);
    if (facts.name == config::dataset_name::fashion_mnist) {
        read_fashion_mnist(facts, place, parts);
    } else {
        read_cifar_files(facts, place, parts);
    }
    return view(facts, storage);
}

dataset view(const dataset_facts& facts, std::span<const std::byte> storage) {
    // `divide` writes nothing, and the result is read-only again.
    const mutable_dataset parts = divide(facts, {const_cast<std::byte*>(storage.data()), storage.size()});
    return {facts,
            {parts.train.pixels, parts.train.labels, parts.train.clients},
            {parts.test.pixels, parts.test.labels, parts.test.clients}};
}

} // namespace feddip::data
