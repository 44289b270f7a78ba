#include "privacy/secret.hpp"

#include "privacy/sodium.hpp"

#include <sodium.h>

#include <algorithm>

namespace feddip::privacy {

secret::secret(std::span<const std::uint8_t, size> bytes) {
    std::ranges::copy(bytes, bytes_.begin());
}

secret::~secret() {
    sodium_memzero(bytes_.data(), size);
}

secret secret::fresh() {
    need_sodium();
    secret s;
    randombytes_buf(s.bytes_.data(), size);
    return s;
}

bool secret::operator==(const secret& other) const {
    return sodium_memcmp(bytes_.data(), other.bytes_.data(), size) == 0;
}

} // namespace feddip::privacy
