// Writes results files and a checkpoint into the folder given: what the Python tests read.
#include "io/checkpoint.hpp"
#include "io/files.hpp"
#include "io/results.hpp"
#include "unit/io/example_run.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: write_example_results FOLDER\n", stderr);
        return 2;
    }
    try {
        using namespace feddip;
        const std::filesystem::path folder = argv[1];
        std::filesystem::create_directories(folder);
        const fl::run_info info = io::testing::example_info(6);
        const io::provenance made_by{"0.1.0", "abc1234", {"HDF5 1.10.8", "oneDNN 2.6.3"}, 61706, 61470};

        io::results_writer writer(folder / "empty.h5", made_by);
        writer.on_start(info, {});
        const fl::run_state done = io::testing::example_state(6);
        io::results_writer other(folder / "complete.h5", made_by);
        other.on_start(info, {});
        other.on_finish(done, true);
        io::replace_file(folder / "complete.ckpt-6.h5", io::encode_checkpoint(info.config_toml, done));
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
    return 0;
}
