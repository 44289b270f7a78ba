#include "app/command_line.hpp"

#include "base/error.hpp"

#include <CLI/CLI.hpp>

#include <sstream>

namespace feddip::app {

namespace {

void add_overrides(CLI::App& to, std::vector<std::string>& overrides, const char* help) {
    to.add_option("--set", overrides, help)->allow_extra_args(false)->type_name("section.key=value");
}

void add_config_arguments(CLI::App& to, std::filesystem::path& config, std::vector<std::string>& overrides) {
    to.add_option("config", config, "The run's configuration (TOML)")->required()->type_name("CONFIG.toml");
    add_overrides(to, overrides, "Replace one value of the configuration; may be repeated");
}

std::string help_text(const CLI::App& parser, const CLI::Error& request) {
    std::ostringstream out;
    parser.exit(request, out, out);
    return out.str();
}

} // namespace

any_command parse_command_line(int argc, const char* const* argv) {
    train_command train;
    check_command check;
    info_command info;
    export_command taken_home;
    bool version = false;

    CLI::App parser("Federated learning with extreme dynamic pruning (FedDIP) over MPI.", "feddip");
    parser.require_subcommand(0, 1);
    parser.add_flag("--version", version, "Print the version and those of the libraries in use");

    CLI::App* train_parser =
        parser.add_subcommand("train", "Train as the configuration says; under mpirun or srun, or alone");
    add_config_arguments(*train_parser, train.config, train.overrides);
    train_parser->add_option("--out", train.out, "Results file; by default named after the run")
        ->type_name("FILE.h5");
    train_parser->add_flag("--resume", train.resume, "Go on from the newest checkpoint");

    CLI::App* check_parser = parser.add_subcommand(
        "check", "Validate a configuration; predict the run's traffic, memory and work");
    add_config_arguments(*check_parser, check.config, check.overrides);
    check_parser->add_flag("--json", check.json,
                           "Print only the predicted traffic, as JSON; needs no data set");

    CLI::App* info_parser = parser.add_subcommand("info", "Say what a results or checkpoint file holds");
    info_parser->add_option("file", info.file, "Results or checkpoint file")
        ->required()
        ->type_name("FILE.h5");

    CLI::App* export_parser = parser.add_subcommand(
        "export", "Write a checkpoint's model for other programs: ONNX, or NumPy's arrays");
    export_parser->add_option("checkpoint", taken_home.checkpoint, "Checkpoint")
        ->required()
        ->type_name("FILE.h5");
    export_parser->add_option("--out", taken_home.out, "File to write")
        ->required()
        ->type_name("MODEL.onnx|MODEL.npz");
    add_overrides(*export_parser, taken_home.overrides, "Replace data.path, where the data has moved");

    try {
        parser.parse(argc, argv);
    } catch (const CLI::Success& request) {
        return help_command{help_text(parser, request)};
    } catch (const CLI::ParseError& problem) {
        throw input_error("bad usage", "command line",
                          std::string(problem.what()) + "; feddip --help shows the usage");
    }

    if (version) {
        return version_command{};
    }
    if (train_parser->parsed()) {
        return train;
    }
    if (check_parser->parsed()) {
        return check;
    }
    if (info_parser->parsed()) {
        return info;
    }
    if (export_parser->parsed()) {
        return taken_home;
    }
    throw input_error("bad usage", "command line",
                      "a command is needed: train, check, info or export; feddip --help shows the usage");
}

} // namespace feddip::app
