#pragma once

#include <string>

namespace feddip::io {

std::string library_version(); // "HDF5 1.10.8"

} // namespace feddip::io
