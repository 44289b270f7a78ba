// Numbers for people.
#pragma once

#include <string>

namespace feddip::app {

std::string format_bytes(double bytes);      // "617 B", "1.23 MB" (powers of 1000)
std::string format_duration(double seconds); // "0.42 s", "54 s", "3 min 20 s", "2 h 05 min"
std::string format_count(double count);      // "617", "61.7 k", "23.3 M", "1.20 G"

} // namespace feddip::app
