// Whether two runs had the same data.
#pragma once

#include "data/dataset.hpp"

#include <string>

namespace feddip::data {

// XXH3-64, in 16 hexadecimal digits, of all that training and testing see: images, labels, whose each is, and
// how pixels become inputs. What the file is called and how it stores them, and names of classes, don't
// count.
std::string checksum(const dataset& data);

} // namespace feddip::data
