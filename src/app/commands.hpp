// What the program can be told to do. Each returns its exit code; results go to stdout.
#pragma once

#include "app/command_line.hpp"
#include "app/exit_code.hpp"

namespace feddip::app {

exit_code train(const train_command& command);
exit_code check(const check_command& command);
exit_code info(const info_command& command);
exit_code export_model(const export_command& command);
exit_code version();

} // namespace feddip::app
