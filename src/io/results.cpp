#include "io/results.hpp"

#include "base/error.hpp"
#include "hdf5/file.hpp"
#include "io/columns.hpp"
#include "io/growing_results.hpp"
#include "io/preface.hpp"
#include "io/schema.hpp"

#include <fmt/chrono.h>

#include <cmath>
#include <ctime>

namespace feddip::io {

namespace {

std::string now_utc() {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

h5::file open_results(const std::filesystem::path& path) {
    constexpr auto what_cannot = "can't read results";
    const std::vector<std::byte> bytes = read_file(path);
    if (has_preface(results_title, bytes)) {
        return h5::file::open(verified_content(results_title, bytes, what_cannot, path.string()),
                              path.string());
    }
    if (!begins_with_hdf5(bytes)) {
        throw error(what_cannot, path.string(), "it is neither HDF5 nor results of this version of feddip");
    }
    return h5::file::open(bytes, path.string());
}

results_header read_header(const h5::file& file) {
    results_header h;
    h.made_by.feddip_version = file.string_attribute("/", "feddip_version");
    h.made_by.git_commit = file.string_attribute("/", "git_commit");
    h.info.config_toml = file.string_attribute("/", "config_toml");
    h.created = file.string_attribute("/", "created");
    h.info.method = file.string_attribute("/", "method");
    h.info.model = file.string_attribute("/", "model");
    h.info.dataset = file.string_attribute("/", "dataset");
    h.info.seed = file.attribute<std::uint64_t>("/", "seed");
    h.info.rounds = file.attribute<int>("/", "rounds");
    h.info.clients_per_round = file.attribute<int>("/", "clients_per_round");
    if (file.has_attribute("/", "data_checksum")) {
        h.made_by.data_checksum = file.string_attribute("/", "data_checksum");
    }
    if (file.has_attribute("/", "majority_share")) {
        h.made_by.majority_share = file.attribute<double>("/", "majority_share");
    }
    h.made_by.parameters = file.attribute<std::uint64_t>("/", "parameters");
    h.made_by.prunable_parameters = file.attribute<std::uint64_t>("/", "prunable_parameters");
    h.info.mpi_ranks = file.attribute<int>("/", "mpi_ranks");
    h.info.threads_per_rank = file.attribute<int>("/", "threads_per_rank");
    h.info.hostnames = file.strings_attribute("/", "hostnames");
    h.made_by.library_versions = file.strings_attribute("/", "library_versions");
    h.complete = file.attribute<int>("/", "complete") != 0;
    h.info.layer_names = file.read_strings("/layers/name");
    h.info.measures_layer_norms = file.has("/layers/weight_norm");
    h.info.has_budgets = file.has("/layers/coverage");
    h.info.measures_class_accuracy = file.has("/classes/accuracy");
    if (h.info.measures_class_accuracy) {
        h.info.classes = static_cast<int>(file.read<int>("/classes/class").size());
    }
    return h;
}

void read_lists(const h5::file& file, std::span<fl::round_record> rounds) {
    for (const list_column& c : list_columns) {
        const std::string path = c.path;
        if (c.when && !file.has(path)) {
            continue;
        }
        const h5::shape shape = file.shape_of(path);
        const std::vector<double> values = file.read<double>(path);
        if (shape.size() != 2 || shape[0] != rounds.size()) {
            throw error("can't read dataset", file.name() + ":" + path,
                        "it has another length than the rest");
        }
        for (std::size_t t = 0; t < rounds.size(); ++t) {
            const auto row = values.begin() + static_cast<std::ptrdiff_t>(t * shape[1]);
            (rounds[t].*c.member).assign(row, row + static_cast<std::ptrdiff_t>(shape[1]));
        }
    }
}

void read_clients(const h5::file& file, std::span<fl::round_record> rounds) {
    const std::size_t slots = file.read<int>("/clients/slot").size();
    std::vector<fl::client_record> clients(file.read<int>("/clients/id").size());
    if (clients.size() != rounds.size() * slots) {
        throw error("can't read dataset", file.name() + ":/clients/id",
                    "it has another length than the rest");
    }
    for (const client_column& c : client_columns) {
        read_column(file, std::string("/clients/") + c.name, c, std::span(clients));
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
        if (clients[i].id >= 0) {
            rounds[i / slots].clients.push_back(clients[i]);
        }
    }
}

// A run that goes on keeps the date of its first file; one that can't be read any more has none to keep.
std::string created_at(const std::filesystem::path& path) {
    if (std::filesystem::exists(path)) {
        try {
            return open_results(path).string_attribute("/", "created");
        } catch (const error&) {
            return now_utc();
        }
    }
    return now_utc();
}

} // namespace

std::vector<std::byte> encode_results(const results_header& header,
                                      std::span<const fl::round_record> rounds) {
    growing_results file(header);
    file.grow_to(rounds);
    const auto image = file.image();
    return {image.begin(), image.end()};
}

results read_results(const std::filesystem::path& path) {
    const h5::file file = open_results(path);
    if (!file.has_attribute("/", "complete") || !file.has("/rounds/round")) {
        throw error("can't read results", path.string(), "it is not a results file of feddip");
    }
    results r;
    r.header = read_header(file);
    r.rounds.resize(file.read<int>("/rounds/round").size());
    for (const round_column& c : round_columns) {
        read_column(file, std::string("/rounds/") + c.name, c, std::span(r.rounds));
    }
    read_lists(file, r.rounds);
    read_clients(file, r.rounds);
    return r;
}

results_writer::results_writer(std::filesystem::path path, provenance made_by)
    : path_(std::move(path)), made_by_(std::move(made_by)) {}

results_writer::~results_writer() = default;

void results_writer::on_start(const fl::run_info& info, const fl::run_state& state) {
    results_header header{.info = info, .made_by = made_by_, .created = created_at(path_), .complete = false};
    if (state.protection) { // who knows all clients' data but one's could make sure of a guess
        header.made_by.data_checksum.clear();
    }
    file_ = std::make_unique<growing_results>(header);
    write(state, flush::now); // what a node's crash left torn, no start could go on from
}

void results_writer::on_round(const fl::run_state& state) {
    constexpr double tolerated_share = 0.02;
    // The next round may find no update that can be used, which ends the run.
    const auto& last = state.history.back();
    const bool may_be_the_last = !std::isnan(last.test_accuracy) && !std::isfinite(last.test_loss);
    if (may_be_the_last || seconds_to_write_ <= tolerated_share * since_last_write_.seconds()) {
        write(state, flush::later);
    }
}

void results_writer::on_finish(const fl::run_state& state, bool complete) {
    if (complete) {
        file_->complete();
    }
    write(state, flush::now);
}

void results_writer::write(const fl::run_state& state, flush when) {
    const stopwatch writing;
    file_->grow_to(state.history);
    replace_file(path_, file_->image(), when);
    seconds_to_write_ = writing.seconds();
    since_last_write_.lap();
}

} // namespace feddip::io
