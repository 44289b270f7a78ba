// Where checkpoints lie, when they are written, and which of them a run goes on from.
#pragma once

#include "config/config.hpp"
#include "fl/observer.hpp"
#include "io/checkpoint_codec.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace feddip::io {

// Checkpoints are `stem`.ckpt-ROUND.h5; the stem is the results file's name less .h5 or .hdf5. `configured`
// is [checkpoint] path: a folder, empty for that of the results.
std::filesystem::path checkpoint_stem(const std::filesystem::path& results_file,
                                      const std::string& configured);
// What is there, by round.
std::map<int, std::filesystem::path> checkpoints_of(const std::filesystem::path& stem);

// Checks, before a run starts, that its checkpoints can be put there: the folder can be written to and holds
// none of an earlier run unless that is resumed. Throws input_error.
void ensure_checkpoints_writable(const std::filesystem::path& stem, bool resume);

// The newest that is whole; a damaged one is reported as a warning and the one before it taken. Nothing when
// there is none at all; throws input_error when there are some and all are damaged, or the system doesn't let
// one be read.
std::optional<checkpoint> load_newest(const std::filesystem::path& stem);

// The keys in which two configs (as config::to_toml writes them) differ so that the results would, each as
// "federation.seed was 1 and is 2 now". Throws input_error for a text that is no config.
std::vector<std::string> config_differences(const std::string& before, const std::string& now);
// Throws input_error, about what is at `where`, that names these keys.
void ensure_same_run(const std::string& before, const std::string& now, const std::filesystem::path& where);

// Throws input_error, about what is at `where`, unless two checksums (data/checksum.hpp) are the same; an
// empty one is not known, and taken.
void ensure_same_data(const std::string& before, const std::string& now, const std::filesystem::path& where);

// Whether a run with these settings has written a checkpoint by the last of these rounds, as far as they
// show.
bool had_checkpoint(const config::checkpoint_section& settings, std::span<const fl::round_record> rounds);

// Writes a checkpoint, where clients are protected, before the first round; after every so many rounds, after
// a round in which so many minutes have passed since the last one (or the start), and at the end or when the
// run is stopped; never if both are 0. Keeps the newest `keep` >= 1; the oldest goes when the new one is
// safely on the disk, and with it the residuals of clients (client_files.hpp) that no checkpoint needs any
// more.
class checkpoint_writer : public fl::observer {
public:
    // `seconds` is a clock that only goes forward. Of `settings`, `path` is what gave the stem. An empty
    // checksum is not written.
    checkpoint_writer(std::filesystem::path stem, const config::checkpoint_section& settings,
                      std::function<double()> seconds, std::string data_checksum = "");

    void on_start(const fl::run_info& info, const fl::run_state& state) override;
    void on_round(const fl::run_state& state) override;
    void on_finish(const fl::run_state& state, bool complete) override;

private:
    void write(const fl::run_state& state);
    bool due(int rounds_done) const;
    void remove_old(int newest) const;

    std::filesystem::path stem_;
    config::checkpoint_section settings_;
    std::function<double()> seconds_;
    std::string data_checksum_, config_toml_;
    int last_written_ = 0;
    double last_seconds_ = 0; // when it was
};

} // namespace feddip::io
