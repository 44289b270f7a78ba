// What must hold for every input, in every build.
#pragma once

#include <stdexcept>

namespace feddip::fuzz {

inline void require(bool holds, const char* what) {
    if (!holds) {
        throw std::logic_error(what); // ends a fuzzer and fails a replay
    }
}

} // namespace feddip::fuzz
