#pragma once

#include <string>

namespace feddip::nn {

std::string library_version(); // "oneDNN 2.6.3"
std::string instruction_set(); // the best that oneDNN uses on this machine: "AVX2", "AVX-512 with VNNI" ...

} // namespace feddip::nn
