#include "privacy/sodium.hpp"

#include "base/error.hpp"

#include <sodium.h>

namespace feddip::privacy {

void need_sodium() {
    if (sodium_init() < 0) {
        throw error("cryptography can't start", "sodium_init", "the system gives no random bytes");
    }
}

} // namespace feddip::privacy
