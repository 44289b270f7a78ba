// Pseudo-random words from a secret: what masks and noise are made of.
#pragma once

#include "privacy/secret.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>

namespace feddip::privacy {

// ChaCha20 of RFC 8439: the key, a nonce of `number` (8 bytes) and `part` (4 bytes), little-endian, blocks
// counted from 0. A pure function of all three, 256 GiB long; a pair of `number` and `part` is used for one
// purpose under one key. Satisfies UniformRandomBitGenerator.
class key_stream {
public:
    using result_type = std::uint64_t;

    key_stream(const secret& key, std::uint64_t number, std::uint32_t part = 0);
    key_stream(const key_stream&) = delete;
    key_stream& operator=(const key_stream&) = delete;
    ~key_stream();

    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
    result_type operator()(); // 8 bytes of the stream, little-endian

    // Uniform in (0, 1), with 53 random bits. The largest would be rounded to 1.
    double uniform() { return std::min((static_cast<double>((*this)() >> 11) + 0.5) * 0x1p-53, 1 - 0x1p-53); }

    // The bytes that follow; where words were drawn before, from the next whole buffer of 1 KiB.
    void fill(std::span<std::uint8_t> bytes);

private:
    secret key_;
    std::array<std::uint8_t, 12> nonce_{};
    std::uint64_t next_block_ = 0; // of 64 bytes
    std::array<std::uint64_t, 128> buffer_{};
    std::size_t used_ = 128;
};

// words[i] plus, or minus, word i of the stream (`key`, 0, 0), modulo 2^32 or 2^64.
template <typename Word>
void add_stream(const secret& key, std::span<Word> words);
template <typename Word>
void subtract_stream(const secret& key, std::span<Word> words);

} // namespace feddip::privacy
