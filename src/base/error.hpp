// The two ways in which feddip gives up, and what it tells the user then.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace feddip {

// Something failed while running; the program ends with exit code 1.
// Printed as `feddip: error: WHAT (WHERE): WHY`. WHY ends with what to do about it, where that is known.
class error : public std::runtime_error {
public:
    error(std::string_view what_failed, std::string_view where, std::string_view why);
};

// Bad usage, configuration or input, found before anything was started; exit code 2.
class input_error : public error {
public:
    using error::error;
};

} // namespace feddip
