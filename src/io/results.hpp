// The results file: a preface (io/preface.hpp) and HDF5, as h5py, h5dump and xarray (engine h5netcdf, one
// group at a time) open it.
#pragma once

#include "base/clock.hpp"
#include "fl/observer.hpp"
#include "io/files.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace feddip::io {

// What produced a file, beyond fl::run_info.
struct provenance {
    std::string feddip_version, git_commit;
    std::vector<std::string> library_versions; // "oneDNN 2.6.3"
    std::uint64_t parameters = 0;              // trainable
    std::uint64_t prunable_parameters = 0;
    std::string data_checksum{}; // of data.dataset = "file" (data/checksum.hpp); empty: not known
    double majority_share = fl::not_measured; // of the test images, those of the most frequent class
};

struct results_header {
    fl::run_info info;
    provenance made_by;
    std::string created; // ISO 8601, UTC
    bool complete = false;
};

struct results {
    results_header header;
    std::vector<fl::round_record> rounds;
};

// The file's bytes.
std::vector<std::byte> encode_results(const results_header& header, std::span<const fl::round_record> rounds);

// Throws error for a file that can't be read, is damaged, or is not a results file. One without a preface,
// which older versions and jobs/keep.py write, is read as it is.
results read_results(const std::filesystem::path& path);

class growing_results;

// Replaces the file after each round, so that it can be read at any time while the run goes on; in memory it
// only grows by the round. Where one writing takes more than 2 % of the time since the last, rounds are left
// out until it no longer does, and the file lags behind by those, but for rounds whose loss is not finite,
// which may be the last. on_finish always writes, and only then waits for the disk: should the machine crash
// before, the checkpoint has what the file had. A file that is already there lends its `created`. Where
// clients are protected, there is no checksum of the data.
class results_writer : public fl::observer {
public:
    results_writer(std::filesystem::path path, provenance made_by);
    ~results_writer() override;

    void on_start(const fl::run_info& info, const fl::run_state& state) override;
    void on_round(const fl::run_state& state) override;
    void on_finish(const fl::run_state& state, bool complete) override;

private:
    void write(const fl::run_state& state, flush when);

    std::filesystem::path path_;
    provenance made_by_;
    std::unique_ptr<growing_results> file_; // from on_start on
    stopwatch since_last_write_;
    double seconds_to_write_ = 0;
};

} // namespace feddip::io
