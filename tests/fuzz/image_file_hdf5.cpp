// The reader of files of one's own, with HDF5: the input chooses how the datasets of a good file are stored
// anew, or linked, in a file on the disk that the reader then opens. For each of them, as long as there are
// bytes:
//   u8 way (links, types), u8 layout and filters, u8 extents
#include "base/error.hpp"
#include "data/image_file.hpp"
#include "hdf5/storage.hpp"
#include "require.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace feddip::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::array paths{"/train/images",  "/train/labels", "/test/images", "/test/labels",
                           "/train/clients", "/test/clients", "/mean",        "/deviation"};
constexpr hsize_t images = 6;

h5::shape good_shape(std::size_t path) {
    if (path == 0 || path == 2) {
        return {images, 1, 3, 3};
    }
    return {path < 6 ? images : 1};
}

hid_t type_of(std::uint8_t choice, bool good_is_float) {
    const std::array types{H5T_STD_U8LE,   H5T_STD_I32BE, H5T_STD_I64LE, H5T_IEEE_F32LE,
                           H5T_IEEE_F64BE, H5T_C_S1,      H5T_STD_B8LE,  H5T_STD_REF_OBJ};
    return choice < types.size() ? types[choice] : good_is_float ? H5T_IEEE_F32LE : H5T_STD_U8LE;
}

void store(hid_t file, std::size_t path, std::uint8_t way, std::uint8_t layout, std::uint8_t extents) {
    const char* name = paths[path];
    h5::property_list_handle links(H5Pcreate(H5P_LINK_CREATE));
    H5Pset_create_intermediate_group(links.id(), 1);
    if (way == 250) {
        H5Lcreate_soft(paths[(path + 1) % paths.size()], file, name, links.id(), H5P_DEFAULT);
        return;
    }
    if (way == 251) {
        H5Lcreate_external("/nowhere.h5", "/x", file, name, links.id(), H5P_DEFAULT);
        return;
    }
    if (way == 252) {
        h5::object_handle group(H5Gcreate2(file, name, links.id(), H5P_DEFAULT, H5P_DEFAULT));
        return;
    }
    h5::shape shape = good_shape(path);
    std::uint64_t chunk_values = UINT64_MAX; // without chunks, all
    if (extents > 0) {
        shape[extents % shape.size()] = extents > 250 ? hsize_t{1} << (extents - 220) : extents;
    }
    h5::property_list_handle creation(H5Pcreate(H5P_DATASET_CREATE));
    if (layout % 4 == 1) {
        H5Pset_layout(creation.id(), H5D_COMPACT);
    } else if (layout % 4 >= 2) {
        h5::shape chunk(shape.size(), 1 + layout / 64);
        chunk.back() = layout % 4 == 2 ? 1 : std::min<hsize_t>(shape.back(), 1U << 31);
        H5Pset_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data());
        chunk_values = std::max<std::uint64_t>(1, h5::values_in_chunk(creation));
        if ((layout & 4U) != 0) {
            H5Pset_shuffle(creation.id());
        }
        if ((layout & 8U) != 0) {
            H5Pset_deflate(creation.id(), 1);
        }
        if ((layout & 16U) != 0) {
            H5Pset_fletcher32(creation.id());
        }
    } else if ((layout & 32U) != 0) {
        H5Pset_external(creation.id(), "/etc/hostname", 0, H5F_UNLIMITED);
    }
    h5::dataspace_handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr));
    h5::dataset_handle made(
        H5Dcreate2(file, name, type_of(way, path >= 6), space.id(), links.id(), creation.id(), H5P_DEFAULT));
    const std::uint64_t points =
        static_cast<std::uint64_t>(std::max<hssize_t>(0, H5Sget_simple_extent_npoints(space.id())));
    // Deflating thousands of chunks is HDF5's work, and takes a second.
    if (made && points <= 1 << 16 && points / chunk_values <= 200 && (layout & 32U) == 0) {
        const std::vector<std::uint8_t> values(points, static_cast<std::uint8_t>(path >= 6));
        H5Dwrite(made.id(), H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    }
}

void write_file(const fs::path& path, std::span<const std::uint8_t> input) {
    h5::file_handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
    const auto next = [&] {
        const std::uint8_t value = input.empty() ? 249 : input.front();
        input = input.subspan(std::min<std::size_t>(1, input.size()));
        return value;
    };
    for (std::size_t i = 0; i < paths.size(); ++i) {
        const bool edited = !input.empty();
        const std::uint8_t way = next();
        if (way != 253 && (edited || i < 4)) {
            store(file.id(), i, way, edited ? next() : 0, edited ? next() : 0);
        }
    }
    h5::dataspace_handle one(H5Screate(H5S_SCALAR));
    h5::attribute_handle classes(
        H5Acreate2(file.id(), "classes", type_of(next(), false), one.id(), H5P_DEFAULT, H5P_DEFAULT));
    const std::uint8_t three = 3;
    H5Awrite(classes.id(), H5T_NATIVE_UINT8, &three);
}

} // namespace
} // namespace feddip::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    static const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("feddip-fuzz-" + std::to_string(getpid()) + ".h5");
    h5::silence();
    fuzz::write_file(path, {data, size});
    try {
        const auto file = h5::foreign_file::open(path);
        const auto facts = data::facts_of(file);
        fuzz::require(data::storage_size(facts) < std::size_t{1} << 24U, "more is taken than is stored");
        std::vector<std::byte> storage(data::storage_size(facts));
        const auto read = data::read_images(file, facts, storage);
        for (const int label : read.train.labels) {
            fuzz::require(label < facts.classes, "a label out of range was accepted");
        }
    } catch (const input_error&) { // refused, as most inputs should be
    }
    std::filesystem::remove(path);
    return 0;
}
