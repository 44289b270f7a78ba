// What stands before the HDF5 part of our files: a block of 512 bytes of text (an HDF5 user block: h5dump and
// h5py skip it, `head -3` shows it) with a title and the size and XXH3-64 checksum of everything behind it.
// It is verified before HDF5 sees a single byte, for a damaged file can keep HDF5 in a loop for ever.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace feddip::io {

// The least size and alignment that HDF5 allows for a user block.
inline constexpr std::size_t preface_size = 512;

// Titles end with a line break.
inline constexpr std::string_view results_title = "feddip results 1\n";
inline constexpr std::string_view checkpoint_title = "feddip checkpoint 1\n";

// Over the first 512 bytes of `file`.
void write_preface(std::string_view title, std::span<std::byte> file);

// Whether the file, damaged or not, claims to begin with the preface of this title.
bool has_preface(std::string_view title, std::span<const std::byte> file);
bool begins_with_hdf5(std::span<const std::byte> file);

// What stands behind a preface that the file has. Throws error that begins with `what_cannot` and names the
// file, where this is cut off or damaged.
std::span<const std::byte> verified_content(std::string_view title, std::span<const std::byte> file,
                                            const char* what_cannot, const std::string& name);

} // namespace feddip::io
