// Makes one of the calls with which files are written fail, or be the last of the process.
#pragma once

namespace feddip::io::testing {

// Counts the calls of open, write, fsync, rename, link, unlink and close in this thread while it lives; one
// at a time. The `nth` (from 1) fails with `error_number` without having an effect, or ends the process at
// once when that is 0. A failing write has written half before, and a link that fails with EEXIST has been
// made, as over NFS.
class failing_call {
public:
    failing_call(int nth, int error_number);
    failing_call(const failing_call&) = delete;
    failing_call& operator=(const failing_call&) = delete;
    ~failing_call();

    bool happened() const; // whether there were as many calls
};

} // namespace feddip::io::testing
