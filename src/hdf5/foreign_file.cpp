#include "hdf5/foreign_file.hpp"

#include "base/error.hpp"
#include "hdf5/storage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace feddip::h5 {

namespace {

constexpr int most_dimensions = 4;
constexpr std::uint64_t largest_chunk = std::uint64_t{64} << 20; // bytes
constexpr std::size_t longest_text = 256;                        // bytes

constexpr std::uint64_t too_many = UINT64_MAX;

// `too_many` where it does not fit.
std::uint64_t product(std::span<const hsize_t> factors, std::uint64_t start = 1) {
    std::uint64_t result = start;
    for (const hsize_t f : factors) {
        if (__builtin_mul_overflow(result, f, &result)) {
            return too_many;
        }
    }
    return result;
}

bool equals_one_of(hid_t type, std::initializer_list<hid_t> known) {
    return std::ranges::any_of(known, [type](hid_t k) { return H5Tequal(type, k) > 0; });
}

// Where it is none that we read, the reason.
std::string convert(hid_t type, dataset_claim& claim) {
    claim.value_size = H5Tget_size(type);
    if (equals_one_of(type, {H5T_STD_U8LE, H5T_STD_U16LE, H5T_STD_U32LE, H5T_STD_U64LE, H5T_STD_U8BE,
                             H5T_STD_U16BE, H5T_STD_U32BE, H5T_STD_U64BE})) {
        claim.type = value_type::unsigned_integer;
    } else if (equals_one_of(type, {H5T_STD_I8LE, H5T_STD_I16LE, H5T_STD_I32LE, H5T_STD_I64LE, H5T_STD_I8BE,
                                    H5T_STD_I16BE, H5T_STD_I32BE, H5T_STD_I64BE})) {
        claim.type = value_type::signed_integer;
    } else if (equals_one_of(type, {H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_IEEE_F32BE, H5T_IEEE_F64BE})) {
        claim.type = value_type::floating_point;
    } else if (H5Tget_class(type) == H5T_STRING) {
        claim.type = value_type::text;
        if (H5Tis_variable_str(type) != 0) {
            return "its texts have variable lengths; store them with a fixed one, in h5py as "
                   "numpy.array(names, dtype='S')";
        }
        if (claim.value_size > longest_text) {
            return fmt::format("its texts have {} bytes, more than {}", claim.value_size, longest_text);
        }
    } else {
        return "it holds neither integers, nor floating-point numbers of 32 or 64 bits, nor text of fixed "
               "length";
    }
    return {};
}

} // namespace

std::size_t dataset_claim::count() const {
    return product(dimensions);
}

void foreign_source::refuse(const std::string& path, const std::string& why) const {
    throw input_error("cannot read data", name() + ":" + path, why);
}

void foreign_source::require_count(const std::string& path, std::size_t count) const {
    const dataset_claim claim = describe(path);
    if (claim.type == value_type::text) {
        refuse(path, "it holds text where numbers are expected");
    }
    if (claim.count() != count) {
        refuse(path, fmt::format("it holds {} values, expected {}", claim.count(), count));
    }
}

std::vector<std::string> foreign_source::read_texts(const std::string& path, std::size_t most) const {
    const dataset_claim claim = describe(path);
    if (claim.type != value_type::text || claim.dimensions.size() != 1 || claim.count() > most) {
        refuse(path, fmt::format("it must be a list of at most {} texts", most));
    }
    std::string characters(claim.count() * claim.value_size, '\0');
    read_characters(path, claim.value_size, characters.data());
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < claim.count(); ++i) {
        texts.emplace_back(characters, i * claim.value_size, claim.value_size);
        texts.back().resize(std::min(texts.back().find('\0'), claim.value_size));
    }
    return texts;
}

foreign_file foreign_file::open(const std::filesystem::path& path) {
    std::error_code failed;
    const auto fail = [&](const std::string& why) -> void {
        throw input_error("cannot read data", path.string(), why);
    };
    if (!std::filesystem::exists(path, failed)) {
        fail(failed ? failed.message() : "No such file or directory");
    }
    if (!std::filesystem::is_regular_file(path, failed)) {
        fail("it is not a file; data.dataset = \"file\" takes one HDF5 file");
    }
    const std::uint64_t bytes = std::filesystem::file_size(path, failed);
    if (failed) {
        fail(failed.message());
    }
    silence();
    const property_list_handle access(H5Pcreate(H5P_FILE_ACCESS));
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access.id(), false, true); // which some parallel file systems lack
#endif
    file_handle opened(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()));
    if (!opened) {
        fail(fmt::format("HDF5 can't open it: {}", innermost_message()));
    }
    return {std::move(opened), path.string(), bytes};
}

// Link by link, so that none that leads elsewhere is ever followed.
bool foreign_file::has(const std::string& path) const {
    for (std::size_t end = path.find('/', 1); true; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        const htri_t there = H5Lexists(handle_.id(), part.c_str(), H5P_DEFAULT);
        if (there == 0) {
            return false;
        }
        H5L_info_t link{};
        if (there < 0 || H5Lget_info(handle_.id(), part.c_str(), &link, H5P_DEFAULT) < 0) {
            refuse(path, innermost_message());
        }
        if (link.type != H5L_TYPE_HARD) {
            refuse(path, "it is a soft or external link; give the data themselves");
        }
        if (end == std::string::npos) {
            return true;
        }
    }
}

dataset_handle foreign_file::open_dataset(const std::string& path) const {
    if (!has(path)) {
        refuse(path, "it is missing");
    }
    dataset_handle dataset(H5Dopen2(handle_.id(), path.c_str(), H5P_DEFAULT));
    if (!dataset) {
        refuse(path, fmt::format("HDF5 can't open it as a dataset: {}", innermost_message()));
    }
    return dataset;
}

dataset_claim foreign_file::describe(const std::string& path) const {
    const dataset_handle dataset = open_dataset(path);
    const dataspace_handle space(H5Dget_space(dataset.id()));
    const datatype_handle type(H5Dget_type(dataset.id()));
    const int rank = space ? H5Sget_simple_extent_ndims(space.id()) : -1;
    if (!type || rank < 1 || rank > most_dimensions) {
        refuse(path, fmt::format("it must have 1 to {} dimensions", most_dimensions));
    }
    dataset_claim claim;
    claim.dimensions.resize(static_cast<std::size_t>(rank));
    if (H5Sget_simple_extent_dims(space.id(), claim.dimensions.data(), nullptr) != rank ||
        std::ranges::count(claim.dimensions, 0U) > 0) {
        refuse(path, "it is empty");
    }
    if (const std::string complaint = convert(type.id(), claim); !complaint.empty()) {
        refuse(path, complaint);
    }
    check_layout(dataset, path, claim);
    return claim;
}

void foreign_file::check_filters(const property_list_handle& creation, const std::string& path) const {
    const int filters = H5Pget_nfilters(creation.id());
    for (int i = 0; i < filters; ++i) {
        unsigned flags = 0;
        std::size_t values = 0;
        const H5Z_filter_t filter = H5Pget_filter2(creation.id(), static_cast<unsigned>(i), &flags, &values,
                                                   nullptr, 0, nullptr, nullptr);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE) {
            refuse(path, "it is stored through a filter other than deflate (gzip) and shuffle");
        }
    }
    if (filters < 0) {
        refuse(path, innermost_message());
    }
}

void foreign_file::check_layout(const dataset_handle& dataset, const std::string& path,
                                const dataset_claim& claim) const {
    const property_list_handle creation(H5Dget_create_plist(dataset.id()));
    const H5D_layout_t layout = creation ? H5Pget_layout(creation.id()) : H5D_LAYOUT_ERROR;
    if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) {
        refuse(path,
               "it is a virtual dataset, or stored in a way that is not known; give the data themselves");
    }
    if (H5Pget_external_count(creation.id()) != 0) {
        refuse(path, "its values lie in other files; give the data themselves");
    }
    check_filters(creation, path);
    const std::uint64_t size = product(claim.dimensions, claim.value_size);
    std::uint64_t can_hold = H5Dget_storage_size(dataset.id());
    if (layout == H5D_CHUNKED) {
        shape chunk(claim.dimensions.size());
        if (H5Pget_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data()) !=
                static_cast<int>(chunk.size()) ||
            product(chunk, claim.value_size) > largest_chunk) {
            refuse(path, fmt::format("its chunks are larger than {} MiB", largest_chunk >> 20));
        }
        std::uint64_t expected = 1;
        for (std::size_t d = 0; d < chunk.size(); ++d) {
            const hsize_t along[] = {(claim.dimensions[d] - 1) / chunk[d] + 1};
            expected = product(along, expected);
        }
        hsize_t chunks = 0;
        const dataspace_handle space(H5Dget_space(dataset.id()));
        if (!space || H5Dget_num_chunks(dataset.id(), space.id(), &chunks) < 0 || chunks != expected) {
            refuse(path, fmt::format("{} of its {} chunks are stored", chunks, expected));
        }
        can_hold = unpacked_at_most(creation, can_hold);
    }
    if (size == too_many || size > can_hold || H5Dget_storage_size(dataset.id()) > bytes_) {
        refuse(path, "it claims to be larger than what is stored");
    }
}

std::int64_t foreign_file::attribute(const std::string& attribute) const {
    const std::string path = "/@" + attribute;
    if (H5Aexists_by_name(handle_.id(), "/", attribute.c_str(), H5P_DEFAULT) <= 0) {
        refuse(path, "the attribute is missing");
    }
    const attribute_handle opened(
        H5Aopen_by_name(handle_.id(), "/", attribute.c_str(), H5P_DEFAULT, H5P_DEFAULT));
    const datatype_handle type(opened ? H5Aget_type(opened.id()) : H5I_INVALID_HID);
    const dataspace_handle space(opened ? H5Aget_space(opened.id()) : H5I_INVALID_HID);
    dataset_claim claim;
    if (!type || !space || H5Sget_simple_extent_npoints(space.id()) != 1 ||
        !convert(type.id(), claim).empty() ||
        (claim.type != value_type::unsigned_integer && claim.type != value_type::signed_integer)) {
        refuse(path, "it must be one integer");
    }
    std::int64_t value = 0;
    if (H5Aread(opened.id(), H5T_NATIVE_INT64, &value) < 0) {
        refuse(path, innermost_message());
    }
    return value;
}

void foreign_file::read_numbers(const std::string& path, hid_t type, void* values) const {
    const dataset_handle dataset = open_dataset(path);
    if (H5Dread(dataset.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
        refuse(path, fmt::format("HDF5 can't read it: {}", innermost_message()));
    }
}

void foreign_file::read_characters(const std::string& path, std::size_t length, char* values) const {
    const datatype_handle type(H5Tcopy(H5T_C_S1));
    // Padded with NUL to the end: a name that fills its place is whole.
    if (H5Tset_size(type.id(), length) < 0 || H5Tset_strpad(type.id(), H5T_STR_NULLPAD) < 0) {
        refuse(path, innermost_message());
    }
    const dataset_handle dataset = open_dataset(path);
    const datatype_handle stored(H5Dget_type(dataset.id()));
    H5Tset_cset(type.id(), H5Tget_cset(stored.id())); // else HDF5 does not convert
    if (H5Dread(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
        refuse(path, fmt::format("HDF5 can't read it: {}", innermost_message()));
    }
}

} // namespace feddip::h5
