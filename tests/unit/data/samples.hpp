// Small files and datasets made by the tests themselves.
#pragma once

#include "data/dataset.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace feddip::test {

using bytes = std::vector<std::uint8_t>;

inline bytes big_endian(std::initializer_list<std::uint32_t> words) {
    bytes out;
    for (const std::uint32_t word : words) {
        for (const int shift : {24, 16, 8, 0}) {
            out.push_back(static_cast<std::uint8_t>(word >> shift));
        }
    }
    return out;
}

inline bytes operator+(bytes left, const bytes& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

// 0, 1, 2, ... modulo `period`.
inline bytes counting(std::size_t size, unsigned period = 251) {
    bytes out(size);
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = static_cast<std::uint8_t>(i % period);
    }
    return out;
}

inline bytes gzip(const bytes& plain) {
    z_stream stream{};
    if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::runtime_error("deflateInit2");
    }
    bytes out(deflateBound(&stream, plain.size()));
    stream.next_in = const_cast<Bytef*>(plain.data());
    stream.avail_in = static_cast<uInt>(plain.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    const int status = deflate(&stream, Z_FINISH);
    const auto size = static_cast<std::ptrdiff_t>(stream.total_out);
    deflateEnd(&stream);
    if (status != Z_STREAM_END) {
        throw std::runtime_error("deflate");
    }
    return {out.begin(), out.begin() + size};
}

inline void write_file(const std::filesystem::path& file, const bytes& content) {
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
    if (!out.flush()) {
        throw std::runtime_error("cannot write " + file.string());
    }
}

// A folder that goes away again.
class temporary_folder {
public:
    temporary_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "feddip-test-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("mkdtemp");
        }
        path_ = name;
    }
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;

    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

// Labels of a balanced set in no particular order.
inline bytes mixed_labels(std::size_t size, unsigned classes, unsigned seed) {
    bytes labels = counting(size, classes);
    std::shuffle(labels.begin(), labels.end(), std::mt19937(seed));
    return labels;
}

// A dataset of labels, and of pixels where a test needs them.
struct made_dataset {
    bytes train_labels, test_labels, train_pixels, test_pixels;
    data::dataset_facts facts;

    data::dataset view() const { return {facts, {train_pixels, train_labels}, {test_pixels, test_labels}}; }
};

inline made_dataset labels_only(std::size_t train, std::size_t test, unsigned classes) {
    made_dataset made;
    made.train_labels = mixed_labels(train, classes, 1);
    made.test_labels = mixed_labels(test, classes, 2);
    made.facts = {config::dataset_name::fashion_mnist, {1, 28, 28}, static_cast<int>(classes), train, test};
    return made;
}

inline made_dataset with_pixels(config::dataset_name name, std::size_t train, std::size_t test) {
    made_dataset made;
    made.facts = data::facts_of(name);
    made.facts.train_size = train;
    made.facts.test_size = test;
    made.train_labels = mixed_labels(train, static_cast<unsigned>(made.facts.classes), 1);
    made.test_labels = mixed_labels(test, static_cast<unsigned>(made.facts.classes), 2);
    made.train_pixels = counting(train * made.facts.shape.size());
    made.test_pixels = counting(test * made.facts.shape.size(), 241);
    return made;
}

// The message of the exception of type `Error` that `act` throws; "" if it throws none.
template <typename Error, typename Act>
std::string message_of(const Act& act) {
    try {
        act();
    } catch (const Error& e) {
        return e.what();
    }
    return "";
}

} // namespace feddip::test
