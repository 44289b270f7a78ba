// How large the values of a dataset can be, from what is stored of them: before memory is asked for.
#pragma once

#include "hdf5/file.hpp"

#include <cstdint>

namespace feddip::h5 {

// What `stored` bytes can become when they are read; 0 where that is beyond all memory. Deflate packs no more
// than 1032 bytes into one, by its format.
std::uint64_t unpacked_at_most(const property_list_handle& creation, std::uint64_t stored);

// HDF5 takes memory for a whole chunk at a time. 0 where there are none.
std::uint64_t values_in_chunk(const property_list_handle& creation);

} // namespace feddip::h5
