#include "io/info.hpp"

#include "app/commands.hpp"
#include "app/report_error.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

namespace feddip::app {

exit_code info(const info_command& command) {
    try {
        fmt::print("{}", io::info(command.file));
        return exit_code::done;
    } catch (const error& e) {
        // The file is this command's input, whatever is wrong with it.
        print_error(e.what());
        return exit_code::bad_input;
    }
}

} // namespace feddip::app
