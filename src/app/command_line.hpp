// The command line as data.
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace feddip::app {

struct train_command {
    std::filesystem::path config;
    std::vector<std::string> overrides; // "section.key=value", in the order given
    std::filesystem::path out;          // empty: a name made from the config
    bool resume = false;
};

struct check_command {
    std::filesystem::path config;
    std::vector<std::string> overrides;
    bool json = false; // only the predicted traffic, for programs
};

struct info_command {
    std::filesystem::path file;
};

struct export_command {
    std::filesystem::path checkpoint, out; // .onnx or .npz
    std::vector<std::string> overrides;
};

struct version_command {};

struct help_command {
    std::string text;
};

using any_command =
    std::variant<train_command, check_command, info_command, export_command, version_command, help_command>;

// Throws input_error where the arguments make no command.
any_command parse_command_line(int argc, const char* const* argv);

} // namespace feddip::app
