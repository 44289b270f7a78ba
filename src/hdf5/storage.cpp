#include "hdf5/storage.hpp"

#include <array>

namespace feddip::h5 {

namespace {

bool is_deflated(const property_list_handle& creation) {
    const int filters = H5Pget_nfilters(creation.id());
    for (int i = 0; i < filters; ++i) {
        unsigned flags = 0;
        std::size_t values = 0;
        if (H5Pget_filter2(creation.id(), static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr,
                           nullptr) == H5Z_FILTER_DEFLATE) {
            return true;
        }
    }
    return false;
}

} // namespace

std::uint64_t unpacked_at_most(const property_list_handle& creation, std::uint64_t stored) {
    constexpr std::uint64_t packed_at_most = 1032;
    std::uint64_t unpacked = stored;
    const bool too_many = is_deflated(creation) && __builtin_mul_overflow(stored, packed_at_most, &unpacked);
    return too_many ? 0 : unpacked;
}

std::uint64_t values_in_chunk(const property_list_handle& creation) {
    std::array<hsize_t, H5S_MAX_RANK> extents{};
    const int rank = H5Pget_layout(creation.id()) == H5D_CHUNKED
                         ? H5Pget_chunk(creation.id(), H5S_MAX_RANK, extents.data())
                         : 0;
    std::uint64_t values = rank > 0 ? 1 : 0;
    for (int d = 0; d < rank; ++d) {
        if (__builtin_mul_overflow(values, extents[static_cast<std::size_t>(d)], &values)) {
            return UINT64_MAX;
        }
    }
    return values;
}

} // namespace feddip::h5
