#include "hdf5/version.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <hdf5.h>

namespace feddip::h5 {

std::string library_version() {
    unsigned major = 0, minor = 0, release = 0;
    if (H5get_libversion(&major, &minor, &release) < 0) {
        throw error("HDF5 does not tell its version", "H5get_libversion", "the library may be damaged");
    }
    return fmt::format("HDF5 {}.{}.{}", major, minor, release);
}

} // namespace feddip::h5
