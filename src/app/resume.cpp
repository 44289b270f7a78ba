#include "app/resume.hpp"

#include "app/experiment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "data/checksum.hpp"
#include "io/checkpoint.hpp"
#include "io/results.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <utility>
#include <vector>

namespace feddip::app {

namespace {

std::optional<io::results_header> find_complete(const config::run_config& config,
                                                const std::filesystem::path& path) {
    try {
        auto found = io::read_results(path);
        if (found.header.complete &&
            io::config_differences(found.header.info.config_toml, config::to_toml(config)).empty()) {
            return std::move(found.header);
        }
    } catch (const error&) { // there are none, or a checkpoint has what these should have had
    }
    return std::nullopt;
}

// A node's crash may have left them torn.
io::results read_results_to_resume(const std::filesystem::path& path) {
    try {
        return io::read_results(path);
    } catch (const error& unreadable) {
        throw input_error("can't resume", path.string(),
                          fmt::format("there is no checkpoint, and it can't be read ({}); if it is this "
                                      "run's, remove it to start anew",
                                      unreadable.what()));
    }
}

// Throws input_error for results without a checkpoint that starting anew would lose.
void ensure_nothing_is_lost(const run_files& files, const config::run_config& config) {
    if (!std::filesystem::exists(files.results)) {
        return;
    }
    const auto found = read_results_to_resume(files.results);
    io::ensure_same_run(found.header.info.config_toml, config::to_toml(config), files.results);
    const auto before = config::parse(found.header.info.config_toml, files.results.string(), {});
    if (io::had_checkpoint(before.checkpoint, found.rounds) ||
        io::had_checkpoint(config.checkpoint, found.rounds)) {
        throw input_error("can't resume", files.results.string(),
                          fmt::format("it has {} rounds, and there is no checkpoint {}.ckpt-*.h5: give "
                                      "checkpoint.path as it was, or remove the results to start anew",
                                      found.rounds.size(), files.checkpoints.string()));
    }
}

} // namespace

run_files files_of(const config::run_config& config, const std::filesystem::path& out) {
    auto results = results_path(config, out);
    auto checkpoints = io::checkpoint_stem(results, config.checkpoint.path);
    return {.results = std::move(results), .checkpoints = std::move(checkpoints)};
}

earlier_run find_earlier_run(const run_files& files, const config::run_config& config) {
    if (const auto complete = find_complete(config, files.results)) {
        // For complete results nothing else reads the data.
        ensure_still_same_data(complete->made_by.data_checksum, config.data, files.results);
        log::info("{} is complete", files.results.string());
        return {.complete = true};
    }
    if (auto newest = io::load_newest(files.checkpoints)) {
        io::ensure_same_run(newest->config_toml, config::to_toml(config), files.checkpoints);
        return {.state = std::move(newest->state), .data_checksum = std::move(newest->data_checksum)};
    }
    ensure_nothing_is_lost(files, config);
    log::info("there is no checkpoint {}.ckpt-*.h5 to resume from: starting anew",
              files.checkpoints.string());
    return {};
}

std::string checksum_of(const config::data_section& settings, const data::dataset& data) {
    return settings.dataset == config::dataset_name::file ? data::checksum(data) : "";
}

std::string common_checksum(std::span<const std::string> of_rank, std::span<const std::string> host_of_rank) {
    const auto& ours = of_rank.front();
    for (std::size_t rank = 0; rank < of_rank.size(); ++rank) {
        if (!of_rank[rank].empty() && of_rank[rank] != ours) {
            throw input_error(
                "other data on another machine", host_of_rank[rank],
                fmt::format("those of data.path have the checksum {} there and {} on {}; copy the "
                            "same file to both, or name one that all machines share",
                            of_rank[rank], ours, host_of_rank.front()));
        }
    }
    return ours;
}

void ensure_still_same_data(const std::string& before, const config::data_section& settings,
                            const std::filesystem::path& where) {
    if (!before.empty()) {
        const auto facts = data::facts_of(settings);
        std::vector<std::byte> storage(data::storage_size(facts));
        const auto now = checksum_of(settings, data::read(facts, data::locate(settings), storage));
        io::ensure_same_data(before, now, where);
    }
}

} // namespace feddip::app
