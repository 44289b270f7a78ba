#include "io/info.hpp"

#include "base/error.hpp"
#include "config/config.hpp"
#include "io/checkpoint.hpp"
#include "io/files.hpp"
#include "io/results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

namespace feddip::io {

namespace {

std::string readable_bytes(double bytes) {
    constexpr std::array units = {"B", "kB", "MB", "GB", "TB", "PB"};
    std::size_t unit = 0;
    while (bytes >= 1000 && unit + 1 < units.size()) {
        bytes /= 1000;
        ++unit;
    }
    return unit == 0 ? fmt::format("{:.0f} {}", bytes, units[unit])
                     : fmt::format("{:.2f} {}", bytes, units[unit]);
}

std::string percent(double share) {
    return std::isnan(share) ? "not measured" : fmt::format("{:.2f} %", 100 * share);
}

struct accuracies {
    double final = fl::not_measured, best = fl::not_measured, mean_of_last = fl::not_measured;
};

// Of the rounds that were evaluated; the mean is over those among the last ten.
accuracies accuracies_of(const std::vector<fl::round_record>& rounds) {
    constexpr std::ptrdiff_t last = 10;
    accuracies a;
    double sum = 0;
    int measured = 0;
    const auto start_of_last = rounds.size() > last ? rounds.end() - last : rounds.begin();
    for (auto r = rounds.begin(); r != rounds.end(); ++r) {
        if (std::isnan(r->test_accuracy)) {
            continue;
        }
        a.final = r->test_accuracy;
        a.best = std::fmax(a.best, r->test_accuracy);
        if (r >= start_of_last) {
            sum += r->test_accuracy;
            ++measured;
        }
    }
    a.mean_of_last = measured > 0 ? sum / measured : fl::not_measured;
    return a;
}

// Why some sampled clients are in no average; nothing where all are.
std::string lost_updates(const std::vector<fl::round_record>& rounds) {
    std::size_t sampled = 0, dropped_out = 0, left_out = 0;
    for (const fl::round_record& r : rounds) {
        sampled += r.clients.size();
        for (const fl::client_record& c : r.clients) {
            dropped_out += c.dropped_out != 0 ? 1 : 0;
            left_out += c.dropped_out == 0 && c.included == 0 ? 1 : 0;
        }
    }
    return dropped_out + left_out == 0
               ? ""
               : fmt::format("clients    of {} sampled {} dropped out and {} were left out of the average\n",
                             sampled, dropped_out, left_out);
}

// Private results leave times out.
std::string time_line(double seconds, std::size_t rounds) {
    return std::isnan(seconds)
               ? ""
               : fmt::format("time       {:.3g} s per round\n", seconds / static_cast<double>(rounds));
}

std::string history_lines(const std::vector<fl::round_record>& rounds) {
    if (rounds.empty()) {
        return "";
    }
    std::uint64_t up = 0;
    std::uint64_t down = 0;
    double seconds = 0;
    for (const fl::round_record& r : rounds) {
        up += r.bytes_up;
        down += r.bytes_down;
        seconds += r.seconds_round;
    }
    const accuracies a = accuracies_of(rounds);
    const std::string lost = lost_updates(rounds);
    return fmt::format("accuracy   {} final, {} best, {} mean of the last 10 rounds\n"
                       "sparsity   {} of the prunable weights\n"
                       "traffic    {} down, {} up\n"
                       "{}{}",
                       percent(a.final), percent(a.best), percent(a.mean_of_last),
                       percent(rounds.back().sparsity), readable_bytes(static_cast<double>(down)),
                       readable_bytes(static_cast<double>(up)), lost, time_line(seconds, rounds.size()));
}

std::string results_info(const std::filesystem::path& path) {
    const results r = read_results(path);
    const fl::run_info& run = r.header.info;
    return fmt::format("{}: results of feddip {} ({})\n"
                       "run        {}, {} on {}, seed {}, created {}\n"
                       "machine    {} rank(s), {} thread(s) each\n"
                       "rounds     {} of {}, {}\n"
                       "{}",
                       path.string(), r.header.made_by.feddip_version, r.header.made_by.git_commit,
                       run.method, run.model, run.dataset, run.seed, r.header.created, run.mpi_ranks,
                       run.threads_per_rank, r.rounds.size(), run.rounds,
                       r.header.complete ? "complete" : "not complete", history_lines(r.rounds));
}

std::string checkpoint_info(const std::filesystem::path& path, std::span<const std::byte> bytes) {
    const checkpoint c = decode_checkpoint(bytes, path.string());
    const config::run_config run = config::parse(c.config_toml, path.string(), {});
    return fmt::format("{}: checkpoint, checksum ok\n"
                       "run        {}, {} on {}, seed {}\n"
                       "rounds     {} of {}\n"
                       "model      {} values, {} of {} prunable weights alive, mask version {}\n"
                       "{}",
                       path.string(), run.method.name, config::to_string(run.model.name),
                       config::to_string(run.data.dataset), run.federation.seed, c.state.rounds_done,
                       run.federation.rounds, c.state.model.state.size(), c.state.model.mask.count(),
                       c.state.model.mask.size(), c.state.model.mask_version, history_lines(c.state.history));
}

} // namespace

std::string info(const std::filesystem::path& path) {
    const std::vector<std::byte> bytes = read_file(path);
    if (looks_like_checkpoint(bytes)) {
        return checkpoint_info(path, bytes);
    }
    try {
        return results_info(path);
    } catch (const error& unreadable) {
        throw error("no results or checkpoint of a run", path.string(),
                    fmt::format("{}; name the FILE.h5 that feddip train has written", unreadable.what()));
    }
}

} // namespace feddip::io
