// libsodium, ready for use.
#pragma once

namespace feddip::privacy {

// Before anything else of libsodium's; as often and from as many threads as one likes. Throws feddip::error
// where the system has no source of random bytes.
void need_sodium();

} // namespace feddip::privacy
