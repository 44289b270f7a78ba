// HDF5 files that live in memory. A file is built here, taken as bytes and handed to files.hpp to be put
// on the disk, and read the other way round: so HDF5 itself never meets a full disk, a damaged sector or a
// file that is being replaced, and its file locks, which some parallel file systems lack, are not needed.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace feddip::h5 {

// Owns one HDF5 object; null after a move.
template <herr_t (*Close)(hid_t)>
class handle {
public:
    handle() = default;
    explicit handle(hid_t id) : id_(id) {}
    handle(handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
    handle& operator=(handle&& other) noexcept {
        if (this != &other) {
            release();
            id_ = std::exchange(other.id_, H5I_INVALID_HID);
        }
        return *this;
    }
    ~handle() { release(); }

    hid_t id() const { return id_; }
    explicit operator bool() const { return id_ >= 0; }

private:
    void release() {
        if (id_ >= 0) {
            Close(id_);
        }
        id_ = H5I_INVALID_HID;
    }

    hid_t id_ = H5I_INVALID_HID;
};

using file_handle = handle<H5Fclose>;
using object_handle = handle<H5Oclose>; // a group or dataset of which only the attributes are wanted
using dataset_handle = handle<H5Dclose>;
using dataspace_handle = handle<H5Sclose>;
using datatype_handle = handle<H5Tclose>;
using attribute_handle = handle<H5Aclose>;
using property_list_handle = handle<H5Pclose>;

// The HDF5 type of a number in memory.
template <typename T>
hid_t native_type() = delete;
template <>
hid_t native_type<std::uint8_t>();
template <>
hid_t native_type<std::int32_t>();
template <>
hid_t native_type<std::uint32_t>();
template <>
hid_t native_type<std::int64_t>();
template <>
hid_t native_type<std::uint64_t>();
template <>
hid_t native_type<float>();
template <>
hid_t native_type<double>();

using shape = std::vector<hsize_t>;

// By default HDF5 prints every failure to stderr by itself.
void silence();
// Why the last call failed.
std::string innermost_message();

// Arrays of numbers, by absolute path: "/rounds/round". Everything throws feddip::error that names the path.
class dataset_source {
public:
    virtual ~dataset_source() = default;

    virtual const std::string& name() const = 0; // for messages
    virtual bool has(const std::string& path) const = 0;

    // All values, row-major.
    template <typename T>
    std::vector<T> read(const std::string& path) const {
        std::vector<T> values(readable_size(path, sizeof(T)));
        read_raw(path, native_type<T>(), values.data());
        return values;
    }

protected:
    dataset_source() = default;
    dataset_source(dataset_source&&) = default;
    dataset_source& operator=(dataset_source&&) = default;

private:
    // Refuses a size that the bytes at hand can't hold, before memory is asked for.
    virtual std::size_t readable_size(const std::string& path, std::size_t value_size) const = 0;
    virtual void read_raw(const std::string& path, hid_t type, void* values) const = 0;
};

// The groups on the way to a dataset are made when it is written. HDF5 converts between number types.
// Everything throws feddip::error with HDF5's innermost message, the file's name and the path.
class file : public dataset_source {
public:
    // An empty file. `name` is only what messages call it.
    static file create(std::string name);
    // Reads `image`, which is copied.
    static file open(std::span<const std::byte> image, std::string name);

    // The file's bytes behind `room` bytes that the caller fills.
    std::vector<std::byte> image(std::size_t room = 0) const;
    // The same into `bytes`, whose memory is used again.
    void image_into(std::vector<std::byte>& bytes, std::size_t room = 0) const;
    const std::string& name() const override { return name_; }

    bool has(const std::string& path) const override;
    shape shape_of(const std::string& path) const;

    template <typename T>
    void write(const std::string& path, std::span<const T> values, const shape& dimensions) {
        write_raw(path, native_type<T>(), values.data(), values.size(), dimensions);
    }
    template <typename T>
    void write(const std::string& path, const std::vector<T>& values) {
        write(path, std::span<const T>(values), {values.size()});
    }
    void write(const std::string& path, const std::vector<std::string>& values);

    // A dataset of no rows yet, each of the shape `row`; the file has room for `chunk_rows` >= 1 at a time.
    template <typename T>
    void write_growing(const std::string& path, const shape& row, hsize_t chunk_rows) {
        write_growing_raw(path, native_type<T>(), row, chunk_rows);
    }
    // Puts `rows` behind those that are there.
    template <typename T>
    void append(const std::string& path, std::span<const T> values, hsize_t rows) {
        append_raw(path, native_type<T>(), values.data(), values.size(), rows);
    }

    std::vector<std::string> read_strings(const std::string& path) const;

    // Attributes of the group or dataset at `path`; one that is there is replaced.
    template <typename T>
    void set_attribute(const std::string& path, const char* attribute, T value) {
        set_raw_attribute(path, attribute, native_type<T>(), &value);
    }
    void set_attribute(const std::string& path, const char* attribute, const std::string& value);
    void set_attribute(const std::string& path, const char* attribute,
                       const std::vector<std::string>& values);
    bool has_attribute(const std::string& path, const char* attribute) const;
    template <typename T>
    T attribute(const std::string& path, const char* attribute) const {
        T value{};
        read_raw_attribute(path, attribute, native_type<T>(), &value);
        return value;
    }
    std::string string_attribute(const std::string& path, const char* attribute) const;
    std::vector<std::string> strings_attribute(const std::string& path, const char* attribute) const;

    // Makes a one-dimensional dataset the named axis of others.
    void make_scale(const std::string& path, const std::string& axis_name);
    void attach_scale(const std::string& path, unsigned dimension, const std::string& scale_path);

private:
    file(file_handle handle, std::string name) : handle_(std::move(handle)), name_(std::move(name)) {}

    std::string where(const std::string& path) const { return name_ + ":" + path; }
    dataset_handle open_dataset(const std::string& path) const;
    object_handle open_object(const std::string& path) const;
    std::size_t readable_size(const std::string& path, std::size_t value_size) const override;
    void write_raw(const std::string& path, hid_t type, const void* values, std::size_t count,
                   const shape& dimensions);
    void write_growing_raw(const std::string& path, hid_t type, const shape& row, hsize_t chunk_rows);
    void append_raw(const std::string& path, hid_t type, const void* values, std::size_t count, hsize_t rows);
    void read_raw(const std::string& path, hid_t type, void* values) const override;
    void set_raw_attribute(const std::string& path, const char* attribute, hid_t type, const void* value);
    void read_raw_attribute(const std::string& path, const char* attribute, hid_t type, void* value) const;

    file_handle handle_;
    std::string name_;
};

} // namespace feddip::h5
