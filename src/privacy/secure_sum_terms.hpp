// What the clients and the server of one secure sum agree on before it begins.
#pragma once

#include "privacy/key_agreement.hpp"

#include <cstdint>

namespace feddip::privacy {

struct secure_sum_terms {
    std::uint64_t run = 0;       // tells runs apart
    std::uint64_t round = 0;     // and sums of one run
    std::uint32_t clients = 0;   // at positions 0 to clients - 1
    std::uint32_t threshold = 0; // that many must stay to the end, and fewer learn nothing of another's input
    std::uint64_t values = 0;    // words of each input
    std::uint32_t word_bits = 32;

    bool operator==(const secure_sum_terms&) const = default;
};

inline constexpr std::uint32_t most_summed = 65535; // clients

// Throws feddip::input_error unless 2 <= clients <= most_summed, clients < 2 threshold <= 2 clients, 1 <=
// values < 2^32, and word_bits is 32 or 64. More than half, since each client answers once: a server that
// tells some that a client stayed and others that it left, to get the shares of both its secrets, then gets
// too few of one.
void check(const secure_sum_terms& terms);

// BLAKE2b-128 of all of them: in every message and every key, so that nothing of another sum is taken for one
// of this.
digest digest_of(const secure_sum_terms& terms);

// The smallest threshold that `check` accepts.
constexpr std::uint32_t majority(std::uint32_t clients) {
    return clients / 2 + 1;
}

} // namespace feddip::privacy
