// Secrets that two clients share without a third, the server that carries their messages included, learning
// them.
#pragma once

#include "privacy/secret.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace feddip::privacy {

using public_key = std::array<std::uint8_t, 32>;
using digest =
    std::array<std::uint8_t, 16>; // of what both agree on beforehand: binds keys and messages to it

// X25519 (RFC 7748).
struct key_pair {
    secret own;
    public_key others{}; // what they may know

    static key_pair fresh();
    static key_pair of(const secret& own);
};

enum class key_use : std::uint8_t { sealing = 1, masking = 2 };

// The same for both sides: BLAKE2b-256, keyed with `context`, of the use, the X25519 product, and both public
// keys, the smaller first. Throws feddip::error for a public key that no secret belongs to (of low order: the
// product would be 0).
secret agreed_key(const key_pair& mine, const public_key& theirs, key_use use, const digest& context);

// What a secret will be recognized by: BLAKE2b-256 keyed with `context`. Tells nothing about a random secret.
using commitment = std::array<std::uint8_t, 32>;
commitment commitment_to(const secret& value, const digest& context);

// Two secrets, encrypted and authenticated (XChaCha20-Poly1305, a random nonce in front) along with who sends
// them to whom.
inline constexpr std::size_t sealed_size = 24 + 2 * secret::size + 16;
using sealed_pair = std::array<std::uint8_t, sealed_size>;
struct secret_pair {
    secret first, second;
};
sealed_pair seal(const secret& key, const secret_pair& content, std::uint32_t from, std::uint32_t to);
// Throws feddip::error for what wasn't sealed with this key, from and to these two, or was altered.
secret_pair open(const secret& key, const sealed_pair& sealed, std::uint32_t from, std::uint32_t to);

} // namespace feddip::privacy
