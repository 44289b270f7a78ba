#pragma once

#include <string>

namespace feddip::comm {

std::string library_version(); // "Open MPI v4.1.4"; needs no MPI session

} // namespace feddip::comm
