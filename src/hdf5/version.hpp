#pragma once

#include <string>

namespace feddip::h5 {

std::string library_version(); // "HDF5 1.10.8"

} // namespace feddip::h5
