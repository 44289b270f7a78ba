// Noise that repeats, for tests alone: who knows the seed, which every results file has, can take it off
// again. tests/system/check_layers.py lets no file of src include this header.
#pragma once

#include "privacy/noise.hpp"

#include <cstring>

namespace feddip::privacy {

inline noise_key seeded_key_for_tests(std::uint64_t seed) {
    secret s;
    std::memcpy(s.bytes().data(), &seed, sizeof seed);
    return noise_key(s);
}

} // namespace feddip::privacy
