#include "io/checkpoint.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "config/config.hpp"
#include "io/client_files.hpp"
#include "io/files.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace feddip::io {

namespace {

namespace fs = std::filesystem;

fs::path checkpoint_path(const fs::path& stem, int round) {
    return fmt::format("{}.ckpt-{}.h5", stem.string(), round);
}

// ROUND of `stem`.ckpt-ROUND`ending`.
std::optional<int> round_in(std::string_view file_name, const fs::path& stem, std::string_view ending) {
    const std::string before = stem.filename().string() + ".ckpt-";
    if (!file_name.starts_with(before) || !file_name.substr(before.size()).ends_with(ending)) {
        return std::nullopt;
    }
    const std::string_view digits =
        file_name.substr(before.size(), file_name.size() - before.size() - ending.size());
    int round = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), round);
    if (failure != std::errc() || end != digits.data() + digits.size() || round < 0) {
        return std::nullopt;
    }
    return round;
}

fs::path folder_of(const fs::path& path) {
    return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// By round.
std::map<int, fs::path> files_of(const fs::path& stem, std::string_view ending) {
    std::map<int, fs::path> found;
    std::error_code failure;
    for (fs::directory_iterator entry(folder_of(stem), failure), end; !failure && entry != end;
         entry.increment(failure)) {
        if (const std::optional<int> round = round_in(entry->path().filename().string(), stem, ending)) {
            found[*round] = entry->path();
        }
    }
    if (failure) {
        throw error("can't list checkpoints", fmt::format("{}.ckpt-*{}", stem.string(), ending),
                    failure.message());
    }
    return found;
}

// One file too many does no harm.
void remove_if_possible(const fs::path& path) {
    std::error_code ignored;
    fs::remove(path, ignored);
}

// What the system doesn't let through may be whole, and one that the run goes back behind is removed.
std::vector<std::byte> read_to_resume(const fs::path& path) {
    try {
        return read_file(path);
    } catch (const error& unreadable) {
        throw input_error("can't resume", path.string(),
                          fmt::format("{}; make it readable, or remove it to go on from the checkpoint "
                                      "before it",
                                      unreadable.what()));
    }
}

// Keys in which runs may differ and still give the same bits. Where data.path is the data, these have a
// checksum.
bool leaves_results_alone(std::string_view key) {
    constexpr std::array<std::string_view, 2> exact = {"data.path", "federation.rank0_trains"};
    return key.starts_with("checkpoint.") || key.starts_with("output.") ||
           std::find(exact.begin(), exact.end(), key) != exact.end();
}

} // namespace

fs::path checkpoint_stem(const fs::path& results_file, const std::string& configured) {
    const fs::path folder = configured.empty() ? folder_of(results_file) : fs::path(configured);
    // Any other ending may be all that tells two runs apart: lr0.1 and lr0.2.
    const fs::path ending = results_file.extension();
    return folder / (ending == ".h5" || ending == ".hdf5" ? results_file.stem() : results_file.filename());
}

std::map<int, fs::path> checkpoints_of(const fs::path& stem) {
    return files_of(stem, ".h5");
}

void ensure_checkpoints_writable(const fs::path& stem, bool resume) {
    ensure_writable(checkpoint_path(stem, 0), true, "can't write checkpoints to checkpoint.path");
    if (!resume && !checkpoints_of(stem).empty()) {
        throw input_error(
            "can't start a new run", checkpoints_of(stem).rbegin()->second.string(),
            "checkpoints of an earlier run are there; continue it with --resume or remove them");
    }
}

std::optional<checkpoint> load_newest(const fs::path& stem) {
    const std::map<int, fs::path> found = checkpoints_of(stem);
    for (auto newest = found.rbegin(); newest != found.rend(); ++newest) {
        const auto content = read_to_resume(newest->second);
        try {
            return decode_checkpoint(content, newest->second.string());
        } catch (const error& damage) {
            log::warning("{}; going back to the checkpoint before it", damage.what());
        }
    }
    if (!found.empty()) {
        throw input_error("can't resume", stem.string(),
                          "none of its checkpoints can be read; remove them to start anew");
    }
    return std::nullopt;
}

std::vector<std::string> config_differences(const std::string& before, const std::string& now) {
    const auto then = config::parse(before, "the config that it began with", {});
    const auto today = config::parse(now, "the run's config", {});
    std::vector<std::string> named;
    for (const auto& [key, left, right] : config::differences(then, today)) {
        if (!leaves_results_alone(key)) {
            named.push_back(fmt::format("{} was {} and is {} now", key, left, right));
        }
    }
    return named;
}

void ensure_same_run(const std::string& before, const std::string& now, const fs::path& where) {
    const std::vector<std::string> differences = config_differences(before, now);
    if (!differences.empty()) {
        throw input_error("can't resume with another configuration", where.string(),
                          fmt::format("{}", fmt::join(differences, "; ")));
    }
}

void ensure_same_data(const std::string& before, const std::string& now, const fs::path& where) {
    if (!before.empty() && !now.empty() && before != now) {
        throw input_error(
            "other data than the run's", where.string(),
            fmt::format("those of the run had the checksum {} and data.path has {} now; name the "
                        "file that it began with, or start a new run",
                        before, now));
    }
}

bool had_checkpoint(const config::checkpoint_section& settings, std::span<const fl::round_record> rounds) {
    double seconds = 0;
    for (const fl::round_record& r : rounds) {
        seconds += r.seconds_round;
    }
    const bool by_rounds =
        settings.every_rounds > 0 && rounds.size() >= static_cast<std::size_t>(settings.every_rounds);
    const bool by_time = settings.every_minutes > 0 && seconds >= 60 * settings.every_minutes;
    return by_rounds || by_time;
}

checkpoint_writer::checkpoint_writer(fs::path stem, const config::checkpoint_section& settings,
                                     std::function<double()> seconds, std::string data_checksum)
    : stem_(std::move(stem)), settings_(settings), seconds_(std::move(seconds)),
      data_checksum_(std::move(data_checksum)) {}

void checkpoint_writer::on_start(const fl::run_info& info, const fl::run_state& state) {
    config_toml_ = info.config_toml;
    last_written_ = state.rounds_done;
    last_seconds_ = seconds_();
    for (const auto& [round, half_written] : files_of(stem_, ".h5.tmp")) {
        remove_if_possible(half_written);
    }
    if (state.protection && state.rounds_done == 0) {
        write(state); // with the key, before anything is drawn from it
    }
}

void checkpoint_writer::on_round(const fl::run_state& state) {
    if (due(state.rounds_done)) {
        write(state);
    }
}

bool checkpoint_writer::due(int rounds_done) const {
    const bool by_rounds = settings_.every_rounds > 0 && rounds_done % settings_.every_rounds == 0;
    const bool by_time =
        settings_.every_minutes > 0 && seconds_() - last_seconds_ >= 60 * settings_.every_minutes;
    return by_rounds || by_time;
}

void checkpoint_writer::on_finish(const fl::run_state& state, bool) {
    if (!settings_.none() && state.rounds_done != last_written_) {
        write(state);
    }
}

void checkpoint_writer::write(const fl::run_state& state) {
    const auto who = state.protection ? readers::owner : readers::all; // of the key, if there is one
    replace_file(checkpoint_path(stem_, state.rounds_done),
                 encode_checkpoint(config_toml_, state, data_checksum_), flush::now, who);
    last_written_ = state.rounds_done;
    last_seconds_ = seconds_();
    remove_old(state.rounds_done);
}

// Those of later rounds are damaged, or the run would have gone on from them. Residuals go last: whenever
// this is interrupted, each checkpoint that is there has those it needs.
void checkpoint_writer::remove_old(int newest) const {
    const std::map<int, fs::path> found = checkpoints_of(stem_);
    int kept = 0;
    int oldest = newest;
    for (auto at = found.rbegin(); at != found.rend(); ++at) {
        if (at->first <= newest && kept < settings_.keep) {
            ++kept;
            oldest = at->first;
            continue;
        }
        remove_if_possible(at->second);
    }
    remove_client_files(stem_, oldest);
}

} // namespace feddip::io
