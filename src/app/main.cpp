#include "app/command_line.hpp"
#include "app/commands.hpp"
#include "app/report_error.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <variant>

namespace {

using namespace feddip::app;

struct dispatch {
    exit_code operator()(const train_command& c) const { return train(c); }
    exit_code operator()(const check_command& c) const { return check(c); }
    exit_code operator()(const info_command& c) const { return info(c); }
    exit_code operator()(const export_command& c) const { return export_model(c); }
    exit_code operator()(const version_command&) const { return version(); }
    exit_code operator()(const help_command& c) const {
        fmt::print("{}", c.text);
        return exit_code::done;
    }
};

// What was printed counts only once it is out of the buffer.
exit_code run(int argc, char** argv) {
    try {
        const auto code = std::visit(dispatch{}, parse_command_line(argc, argv));
        if (std::fflush(stdout) != 0) {
            throw std::system_error(errno, std::generic_category());
        }
        return code;
    } catch (const std::system_error& e) {
        if (std::ferror(stdout) != 0) {
            throw feddip::error("can't print", "stdout", e.code().message());
        }
        throw;
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (...) {
        const auto problem = describe(std::current_exception());
        print_error_once(problem.reason);
        return problem.code;
    }
}
