#pragma once

#include <string>

namespace feddip::nn {

std::string library_version(); // "oneDNN 2.6.3"
std::string instruction_set(); // the best that oneDNN uses on this machine: "AVX2", "AVX-512 with VNNI" ...
// Whether bfloat16 is multiplied by the processor itself.
bool can_multiply_bf16();

} // namespace feddip::nn
