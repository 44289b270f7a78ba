// HDF5 files that somebody else made, and that may be damaged or hostile: what a dataset claims to be is
// checked before memory is taken for it.
#pragma once

#include "hdf5/file.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace feddip::h5 {

enum class value_type { unsigned_integer, signed_integer, floating_point, text };

// What a dataset holds, and how large it claims to be.
struct dataset_claim {
    shape dimensions; // 1 to 4, none of them 0
    value_type type{};
    std::size_t value_size = 0; // bytes; of a text, which is of fixed length

    std::size_t count() const; // of values
};

// Everything throws feddip::input_error that names file and path.
class foreign_source {
public:
    virtual ~foreign_source() = default;

    virtual const std::string& name() const = 0; // for messages
    virtual bool has(const std::string& path) const = 0;
    // Refused are: links other than hard ones; numbers that are neither IEEE 754 of 32 or 64 bits nor
    // integers of 8 to 64; texts of variable length; filters other than deflate and shuffle; virtual
    // datasets, and those in other files; chunks larger than 64 MiB, or missing ones; sizes that the file's
    // bytes can't hold.
    virtual dataset_claim describe(const std::string& path) const = 0;
    // The integer that is an attribute of the root.
    virtual std::int64_t attribute(const std::string& attribute) const = 0;

    // Fills `values`, as many as `describe` says. Numbers that don't fit T become its largest or smallest
    // one.
    template <typename T>
    void read(const std::string& path, std::span<T> values) const {
        require_count(path, values.size());
        read_numbers(path, native_type<T>(), values.data());
    }
    // At most `most` texts, without what follows a NUL.
    std::vector<std::string> read_texts(const std::string& path, std::size_t most) const;

    [[noreturn]] void refuse(const std::string& path, const std::string& why) const;

protected:
    foreign_source() = default;
    foreign_source(foreign_source&&) = default;
    foreign_source& operator=(foreign_source&&) = default;

private:
    void require_count(const std::string& path, std::size_t count) const;
    virtual void read_numbers(const std::string& path, hid_t type, void* values) const = 0;
    virtual void read_characters(const std::string& path, std::size_t length, char* values) const = 0;
};

// On the disk, to be read only, without a lock.
class foreign_file : public foreign_source {
public:
    static foreign_file open(const std::filesystem::path& path);

    const std::string& name() const override { return name_; }
    bool has(const std::string& path) const override;
    dataset_claim describe(const std::string& path) const override;
    std::int64_t attribute(const std::string& attribute) const override;

private:
    foreign_file(file_handle handle, std::string name, std::uint64_t bytes)
        : handle_(std::move(handle)), name_(std::move(name)), bytes_(bytes) {}

    dataset_handle open_dataset(const std::string& path) const;
    void read_numbers(const std::string& path, hid_t type, void* values) const override;
    void read_characters(const std::string& path, std::size_t length, char* values) const override;
    void check_layout(const dataset_handle& dataset, const std::string& path,
                      const dataset_claim& claim) const;
    void check_filters(const property_list_handle& creation, const std::string& path) const;

    file_handle handle_;
    std::string name_;
    std::uint64_t bytes_; // of the file
};

} // namespace feddip::h5
