#pragma once

#include <string>

namespace feddip::nn {

std::string library_version(); // "oneDNN 2.6.3"
std::string instruction_set(); // the best that oneDNN uses on this machine: "AVX2", "AVX-512 with VNNI" ...
// Whether bfloat16 is multiplied by the processor itself.
bool can_multiply_bf16();

// The same of `isa`, bits of oneDNN's cpu_isa. Of sets that are not known, the best that is known in them.
std::string name_of_instructions(unsigned isa);
bool multiplies_bf16(unsigned isa);

} // namespace feddip::nn
