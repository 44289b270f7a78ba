#include "base/error.hpp"

#include <fmt/format.h>

namespace feddip {

error::error(std::string_view what_failed, std::string_view where, std::string_view why)
    : std::runtime_error(fmt::format("{} ({}): {}", what_failed, where, why)) {}

} // namespace feddip
