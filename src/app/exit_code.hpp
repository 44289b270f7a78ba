// What the program tells its caller (house rules for the command line).
#pragma once

namespace feddip::app {

enum exit_code : int {
    done = 0,
    failed = 1,    // while running
    bad_input = 2, // usage, config or data: nothing was started
    stopped = 75,  // EX_TEMPFAIL: on request, with a checkpoint to resume from
};

} // namespace feddip::app
