#include "hdf5/file.hpp"

#include "base/error.hpp"
#include "hdf5/storage.hpp"

#include <fmt/format.h>
#include <hdf5_hl.h>

#include <algorithm>
#include <atomic>

namespace feddip::h5 {

namespace {

// HDF5 reports failure by a negative value, whatever the type.
template <typename T>
T check(T result, const char* call, const std::string& where) {
    if (result < 0) {
        throw error(fmt::format("{} failed", call), where, innermost_message());
    }
    return result;
}

property_list_handle property_list(hid_t of, const std::string& where) {
    return property_list_handle(check(H5Pcreate(of), "H5Pcreate", where));
}

property_list_handle in_memory_access(const std::string& where) {
    constexpr std::size_t growth = 1U << 20U;
    property_list_handle access = property_list(H5P_FILE_ACCESS, where);
    check(H5Pset_fapl_core(access.id(), growth, false), "H5Pset_fapl_core", where);
    return access;
}

// HDF5 takes two files in memory with the same name for one and refuses the name of a file on the disk; below
// /dev/null there can be none.
std::string unique_name() {
    static std::atomic<unsigned> files = 0;
    return fmt::format("/dev/null/{}", files++);
}

dataspace_handle simple_space(const shape& dimensions, const std::string& where) {
    return dataspace_handle(
        check(H5Screate_simple(static_cast<int>(dimensions.size()), dimensions.data(), nullptr),
              "H5Screate_simple", where));
}

dataspace_handle scalar_space(const std::string& where) {
    return dataspace_handle(check(H5Screate(H5S_SCALAR), "H5Screate", where));
}

datatype_handle string_type(const std::string& where) {
    datatype_handle type(check(H5Tcopy(H5T_C_S1), "H5Tcopy", where));
    check(H5Tset_size(type.id(), H5T_VARIABLE), "H5Tset_size", where);
    check(H5Tset_cset(type.id(), H5T_CSET_UTF8), "H5Tset_cset", where);
    return type;
}

property_list_handle links_with_groups(const std::string& where) {
    property_list_handle links = property_list(H5P_LINK_CREATE, where);
    check(H5Pset_create_intermediate_group(links.id(), 1), "H5Pset_create_intermediate_group", where);
    return links;
}

// HDF5 makes an attribute but never again.
attribute_handle make_attribute(hid_t object, const char* attribute, hid_t type, hid_t space,
                                const std::string& where) {
    if (check(H5Aexists(object, attribute), "H5Aexists", where) > 0) {
        check(H5Adelete(object, attribute), "H5Adelete", where);
    }
    return attribute_handle(
        check(H5Acreate2(object, attribute, type, space, H5P_DEFAULT, H5P_DEFAULT), "H5Acreate2", where));
}

std::vector<const char*> pointers_to(const std::vector<std::string>& values) {
    std::vector<const char*> pointers;
    pointers.reserve(values.size());
    for (const std::string& value : values) {
        pointers.push_back(value.c_str());
    }
    return pointers;
}

void require_strings(hid_t type, const std::string& where) {
    if (check(H5Tis_variable_str(type), "H5Tis_variable_str", where) == 0) {
        throw error("can't read text", where, "it is not stored as variable-length strings");
    }
}

// Strings that HDF5 has allocated, as ours.
std::vector<std::string> take_strings(std::vector<char*> raw, hid_t type, hid_t space,
                                      const std::string& where) {
    std::vector<std::string> values;
    values.reserve(raw.size());
    for (const char* text : raw) {
        values.emplace_back(text == nullptr ? "" : text);
    }
    check(H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw.data()), "H5Dvlen_reclaim", where);
    return values;
}

std::size_t points_in(hid_t space, const std::string& where) {
    return static_cast<std::size_t>(
        check(H5Sget_simple_extent_npoints(space), "H5Sget_simple_extent_npoints", where));
}

} // namespace

std::string innermost_message() {
    std::string message;
    const auto keep_first = [](unsigned, const H5E_error2_t* entry, void* target) -> herr_t {
        auto& text = *static_cast<std::string*>(target);
        if (text.empty() && entry->desc != nullptr) {
            text = entry->desc;
        }
        return 0;
    };
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &message);
    return message.empty() ? "no reason given by HDF5" : message;
}

void silence() {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

template <>
hid_t native_type<std::uint8_t>() {
    return H5T_NATIVE_UINT8;
}
template <>
hid_t native_type<std::int32_t>() {
    return H5T_NATIVE_INT32;
}
template <>
hid_t native_type<std::uint32_t>() {
    return H5T_NATIVE_UINT32;
}
template <>
hid_t native_type<std::int64_t>() {
    return H5T_NATIVE_INT64;
}
template <>
hid_t native_type<std::uint64_t>() {
    return H5T_NATIVE_UINT64;
}
template <>
hid_t native_type<float>() {
    return H5T_NATIVE_FLOAT;
}
template <>
hid_t native_type<double>() {
    return H5T_NATIVE_DOUBLE;
}

file file::create(std::string name) {
    silence();
    const property_list_handle access = in_memory_access(name);
    const property_list_handle creation = property_list(H5P_FILE_CREATE, name);
    // Attributes whose order is known may together be larger than 64 KiB: the hostnames of a large job.
    check(H5Pset_attr_creation_order(creation.id(), H5P_CRT_ORDER_TRACKED), "H5Pset_attr_creation_order",
          name);
    // What finds the pieces of a growing dataset takes 2 KB each by default, whether there are any or not.
    constexpr unsigned half_of_an_index_node = 4;
    check(H5Pset_istore_k(creation.id(), half_of_an_index_node), "H5Pset_istore_k", name);
    file_handle made(check(H5Fcreate(unique_name().c_str(), H5F_ACC_TRUNC, creation.id(), access.id()),
                           "H5Fcreate", name));
    return {std::move(made), std::move(name)};
}

file file::open(std::span<const std::byte> image, std::string name) {
    silence();
    const property_list_handle access = in_memory_access(name);
    std::vector<std::byte> writable(image.begin(),
                                    image.end()); // HDF5 asks for non-const bytes and copies them
    check(H5Pset_file_image(access.id(), writable.data(), writable.size()), "H5Pset_file_image", name);
    file_handle opened(check(H5Fopen(unique_name().c_str(), H5F_ACC_RDONLY, access.id()), "H5Fopen", name));
    return {std::move(opened), std::move(name)};
}

std::vector<std::byte> file::image(std::size_t room) const {
    std::vector<std::byte> bytes;
    image_into(bytes, room);
    return bytes;
}

void file::image_into(std::vector<std::byte>& bytes, std::size_t room) const {
    check(H5Fflush(handle_.id(), H5F_SCOPE_GLOBAL), "H5Fflush", name_);
    const ssize_t size = check(H5Fget_file_image(handle_.id(), nullptr, 0), "H5Fget_file_image", name_);
    bytes.resize(room + static_cast<std::size_t>(size));
    check(H5Fget_file_image(handle_.id(), bytes.data() + room, bytes.size() - room), "H5Fget_file_image",
          name_);
}

bool file::has(const std::string& path) const {
    for (std::size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
        if (check(H5Lexists(handle_.id(), path.substr(0, end).c_str(), H5P_DEFAULT), "H5Lexists",
                  where(path)) == 0) {
            return false;
        }
    }
    return check(H5Lexists(handle_.id(), path.c_str(), H5P_DEFAULT), "H5Lexists", where(path)) > 0;
}

dataset_handle file::open_dataset(const std::string& path) const {
    return dataset_handle(check(H5Dopen2(handle_.id(), path.c_str(), H5P_DEFAULT), "H5Dopen2", where(path)));
}

object_handle file::open_object(const std::string& path) const {
    return object_handle(check(H5Oopen(handle_.id(), path.c_str(), H5P_DEFAULT), "H5Oopen", where(path)));
}

shape file::shape_of(const std::string& path) const {
    const dataset_handle dataset = open_dataset(path);
    const dataspace_handle space(check(H5Dget_space(dataset.id()), "H5Dget_space", where(path)));
    const int rank = check(H5Sget_simple_extent_ndims(space.id()), "H5Sget_simple_extent_ndims", where(path));
    shape dimensions(static_cast<std::size_t>(rank));
    check(H5Sget_simple_extent_dims(space.id(), dimensions.data(), nullptr), "H5Sget_simple_extent_dims",
          where(path));
    return dimensions;
}

std::size_t file::readable_size(const std::string& path, std::size_t value_size) const {
    const dataset_handle dataset = open_dataset(path);
    const dataspace_handle space(check(H5Dget_space(dataset.id()), "H5Dget_space", where(path)));
    const std::size_t count = points_in(space.id(), where(path));
    const datatype_handle type(check(H5Dget_type(dataset.id()), "H5Dget_type", where(path)));
    const property_list_handle creation(
        check(H5Dget_create_plist(dataset.id()), "H5Dget_create_plist", where(path)));
    hsize_t file_size = 0;
    check(H5Fget_filesize(handle_.id(), &file_size), "H5Fget_filesize", where(path));
    const std::uint64_t stored = H5Dget_storage_size(dataset.id());
    const std::uint64_t can_hold = stored > file_size ? 0
                                                      : unpacked_at_most(creation, stored) /
                                                            std::max<std::size_t>(H5Tget_size(type.id()), 1);
    const bool too_large = count > can_hold || values_in_chunk(creation) > can_hold;
    if ((count > 0 && too_large) || count > SIZE_MAX / value_size) {
        throw error("can't read dataset", where(path), "its size is larger than what is stored");
    }
    return count;
}

void file::write_raw(const std::string& path, hid_t type, const void* values, std::size_t count,
                     const shape& dimensions) {
    const dataspace_handle space = simple_space(dimensions, where(path));
    if (points_in(space.id(), where(path)) != count) {
        throw error("can't write dataset", where(path), "its shape does not match its values");
    }
    const property_list_handle links = links_with_groups(where(path));
    const dataset_handle dataset(
        check(H5Dcreate2(handle_.id(), path.c_str(), type, space.id(), links.id(), H5P_DEFAULT, H5P_DEFAULT),
              "H5Dcreate2", where(path)));
    if (count > 0) {
        check(H5Dwrite(dataset.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "H5Dwrite", where(path));
    }
}

void file::write_growing_raw(const std::string& path, hid_t type, const shape& row, hsize_t chunk_rows) {
    shape now{0};
    shape chunk{chunk_rows};
    for (const hsize_t n : row) {
        now.push_back(n);
        chunk.push_back(std::max<hsize_t>(n, 1)); // none may be empty
    }
    const shape without_limit(now.size(), H5S_UNLIMITED);
    const int rank = static_cast<int>(now.size());
    const dataspace_handle space(
        check(H5Screate_simple(rank, now.data(), without_limit.data()), "H5Screate_simple", where(path)));
    const property_list_handle layout = property_list(H5P_DATASET_CREATE, where(path));
    check(H5Pset_chunk(layout.id(), rank, chunk.data()), "H5Pset_chunk", where(path));
    const property_list_handle links = links_with_groups(where(path));
    const dataset_handle dataset(
        check(H5Dcreate2(handle_.id(), path.c_str(), type, space.id(), links.id(), layout.id(), H5P_DEFAULT),
              "H5Dcreate2", where(path)));
}

void file::append_raw(const std::string& path, hid_t type, const void* values, std::size_t count,
                      hsize_t rows) {
    shape whole = shape_of(path);
    shape added = whole;
    shape start(whole.size(), 0);
    added[0] = rows;
    start[0] = whole[0];
    whole[0] += rows;
    const dataspace_handle in_memory = simple_space(added, where(path));
    if (points_in(in_memory.id(), where(path)) != count) {
        throw error("can't write dataset", where(path), "its shape does not match its values");
    }

    const dataset_handle dataset = open_dataset(path);
    check(H5Dset_extent(dataset.id(), whole.data()), "H5Dset_extent", where(path));
    if (count > 0) {
        const dataspace_handle in_file(check(H5Dget_space(dataset.id()), "H5Dget_space", where(path)));
        check(H5Sselect_hyperslab(in_file.id(), H5S_SELECT_SET, start.data(), nullptr, added.data(), nullptr),
              "H5Sselect_hyperslab", where(path));
        check(H5Dwrite(dataset.id(), type, in_memory.id(), in_file.id(), H5P_DEFAULT, values), "H5Dwrite",
              where(path));
    }
}

void file::write(const std::string& path, const std::vector<std::string>& values) {
    const datatype_handle type = string_type(where(path));
    const std::vector<const char*> pointers = pointers_to(values);
    write_raw(path, type.id(), pointers.data(), pointers.size(), {pointers.size()});
}

void file::read_raw(const std::string& path, hid_t type, void* values) const {
    const dataset_handle dataset = open_dataset(path);
    check(H5Dread(dataset.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "H5Dread", where(path));
}

std::vector<std::string> file::read_strings(const std::string& path) const {
    const dataset_handle dataset = open_dataset(path);
    const datatype_handle stored(check(H5Dget_type(dataset.id()), "H5Dget_type", where(path)));
    require_strings(stored.id(), where(path));
    const datatype_handle type = string_type(where(path));
    std::vector<char*> raw(readable_size(path, sizeof(char*)), nullptr);
    if (raw.empty()) {
        return {};
    }
    read_raw(path, type.id(), raw.data());
    const dataspace_handle space(check(H5Dget_space(dataset.id()), "H5Dget_space", where(path)));
    return take_strings(std::move(raw), type.id(), space.id(), where(path));
}

void file::set_raw_attribute(const std::string& path, const char* attribute, hid_t type, const void* value) {
    const object_handle object = open_object(path);
    const dataspace_handle space = scalar_space(where(path));
    const attribute_handle made = make_attribute(object.id(), attribute, type, space.id(), where(path));
    check(H5Awrite(made.id(), type, value), "H5Awrite", where(path));
}

void file::set_attribute(const std::string& path, const char* attribute, const std::string& value) {
    const char* text = value.c_str();
    set_raw_attribute(path, attribute, string_type(where(path)).id(), &text);
}

void file::set_attribute(const std::string& path, const char* attribute,
                         const std::vector<std::string>& values) {
    const object_handle object = open_object(path);
    const datatype_handle type = string_type(where(path));
    const dataspace_handle space = simple_space({values.size()}, where(path));
    const attribute_handle made = make_attribute(object.id(), attribute, type.id(), space.id(), where(path));
    if (!values.empty()) {
        check(H5Awrite(made.id(), type.id(), pointers_to(values).data()), "H5Awrite", where(path));
    }
}

bool file::has_attribute(const std::string& path, const char* attribute) const {
    return check(H5Aexists(open_object(path).id(), attribute), "H5Aexists", where(path)) > 0;
}

void file::read_raw_attribute(const std::string& path, const char* attribute, hid_t type, void* value) const {
    const object_handle object = open_object(path);
    const attribute_handle opened(
        check(H5Aopen(object.id(), attribute, H5P_DEFAULT), "H5Aopen", where(path)));
    const dataspace_handle space(check(H5Aget_space(opened.id()), "H5Aget_space", where(path)));
    if (points_in(space.id(), where(path)) != 1) {
        throw error("can't read attribute", where(path) + "@" + attribute, "it does not hold one value");
    }
    check(H5Aread(opened.id(), type, value), "H5Aread", where(path));
}

std::string file::string_attribute(const std::string& path, const char* attribute) const {
    const std::vector<std::string> values = strings_attribute(path, attribute);
    if (values.size() != 1) {
        throw error("can't read attribute", where(path) + "@" + attribute, "it does not hold one text");
    }
    return values.front();
}

std::vector<std::string> file::strings_attribute(const std::string& path, const char* attribute) const {
    const object_handle object = open_object(path);
    const attribute_handle opened(
        check(H5Aopen(object.id(), attribute, H5P_DEFAULT), "H5Aopen", where(path)));
    const datatype_handle stored(check(H5Aget_type(opened.id()), "H5Aget_type", where(path)));
    require_strings(stored.id(), where(path) + "@" + attribute);
    const dataspace_handle space(check(H5Aget_space(opened.id()), "H5Aget_space", where(path)));
    std::vector<char*> raw(points_in(space.id(), where(path)), nullptr);
    if (raw.empty()) {
        return {};
    }
    const datatype_handle type = string_type(where(path));
    check(H5Aread(opened.id(), type.id(), raw.data()), "H5Aread", where(path));
    return take_strings(std::move(raw), type.id(), space.id(), where(path));
}

void file::make_scale(const std::string& path, const std::string& axis_name) {
    check(H5DSset_scale(open_dataset(path).id(), axis_name.c_str()), "H5DSset_scale", where(path));
}

void file::attach_scale(const std::string& path, unsigned dimension, const std::string& scale_path) {
    check(H5DSattach_scale(open_dataset(path).id(), open_dataset(scale_path).id(), dimension),
          "H5DSattach_scale", where(path));
}

} // namespace feddip::h5
