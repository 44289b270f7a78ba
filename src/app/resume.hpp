// What is left of a run that was stopped, for --resume, and whether its data is still the same.
#pragma once

#include "config/config.hpp"
#include "data/dataset.hpp"
#include "fl/state.hpp"

#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace feddip::app {

struct run_files {
    std::filesystem::path results;
    std::filesystem::path checkpoints; // their stem (io/checkpoint.hpp)
};

// Of a run whose results go to `out` where that is given.
run_files files_of(const config::run_config& config, const std::filesystem::path& out);

struct earlier_run {
    bool complete = false;                             // nothing is left to do
    std::optional<fl::run_state> state = std::nullopt; // to go on from; none: to start anew
    std::string data_checksum = {};                    // of what that was trained on
};

// Throws input_error where that was another run, or what is left of it would be lost.
earlier_run find_earlier_run(const run_files& files, const config::run_config& config);

// Of data that nothing but data.path names; else empty.
std::string checksum_of(const config::data_section& settings, const data::dataset& data);
// That of all machines' data. `of_rank`: of the data that a rank has read, empty where it reads another's
// copy. Throws input_error that names a machine whose data are others than rank 0's.
std::string common_checksum(std::span<const std::string> of_rank, std::span<const std::string> host_of_rank);

// Reads the data that is there now, where a checksum of that of a run is known: io::ensure_same_data.
void ensure_still_same_data(const std::string& before, const config::data_section& settings,
                            const std::filesystem::path& where);

} // namespace feddip::app
