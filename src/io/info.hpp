// `feddip info FILE`
#pragma once

#include <filesystem>
#include <string>

namespace feddip::io {

// A few lines on what a results or checkpoint file holds. Throws error for a file that is neither, or
// damaged.
std::string info(const std::filesystem::path& path);

} // namespace feddip::io
