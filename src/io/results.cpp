#include "io/results.hpp"

#include "base/error.hpp"
#include "hdf5/file.hpp"
#include "io/columns.hpp"

#include <fmt/chrono.h>

#include <algorithm>
#include <ctime>
#include <numeric>

namespace feddip::io {

namespace {

std::string now_utc() {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

void describe(h5::file& file, const std::string& path, const char* units, const char* long_name) {
    file.set_attribute(path, "units", std::string(units));
    file.set_attribute(path, "long_name", std::string(long_name));
}

std::vector<int> counted(std::size_t n) {
    std::vector<int> numbers(n);
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
}

void write_axis(h5::file& file, const std::string& path, const std::vector<int>& values, const char* name,
                const char* long_name) {
    file.write(path, values);
    describe(file, path, "1", long_name);
    file.make_scale(path, name);
}

void attach(h5::file& file, const std::string& path, const std::vector<std::string>& axes) {
    for (std::size_t i = 0; i < axes.size(); ++i) {
        file.attach_scale(path, static_cast<unsigned>(i), axes[i]);
    }
}

void write_header(h5::file& file, const results_header& h) {
    file.set_attribute("/", "feddip_version", h.made_by.feddip_version);
    file.set_attribute("/", "git_commit", h.made_by.git_commit);
    file.set_attribute("/", "config_toml", h.info.config_toml);
    file.set_attribute("/", "created", h.created);
    file.set_attribute("/", "method", h.info.method);
    file.set_attribute("/", "model", h.info.model);
    file.set_attribute("/", "dataset", h.info.dataset);
    file.set_attribute("/", "seed", h.info.seed);
    file.set_attribute("/", "rounds", h.info.rounds);
    file.set_attribute("/", "clients_per_round", h.info.clients_per_round);
    file.set_attribute("/", "parameters", h.made_by.parameters);
    file.set_attribute("/", "prunable_parameters", h.made_by.prunable_parameters);
    file.set_attribute("/", "mpi_ranks", h.info.mpi_ranks);
    file.set_attribute("/", "threads_per_rank", h.info.threads_per_rank);
    file.set_attribute("/", "hostnames", h.info.hostnames);
    file.set_attribute("/", "library_versions", h.made_by.library_versions);
    file.set_attribute("/", "complete", h.complete ? 1 : 0);
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
    h.made_by.parameters = file.attribute<std::uint64_t>("/", "parameters");
    h.made_by.prunable_parameters = file.attribute<std::uint64_t>("/", "prunable_parameters");
    h.info.mpi_ranks = file.attribute<int>("/", "mpi_ranks");
    h.info.threads_per_rank = file.attribute<int>("/", "threads_per_rank");
    h.info.hostnames = file.strings_attribute("/", "hostnames");
    h.made_by.library_versions = file.strings_attribute("/", "library_versions");
    h.complete = file.attribute<int>("/", "complete") != 0;
    h.info.layer_names = file.read_strings("/layers/name");
    return h;
}

void write_rounds(h5::file& file, std::span<const fl::round_record> rounds) {
    for (const round_column& c : round_columns) {
        const std::string path = std::string("/rounds/") + c.name;
        write_column(file, path, c, rounds, {rounds.size()});
        describe(file, path, c.units, c.long_name);
        if (&c == &round_columns[0]) {
            file.make_scale(path, c.name);
        } else {
            file.attach_scale(path, 0, "/rounds/round");
        }
    }
}

// Dimensions in netCDF are seen from their own group downwards only, so that each group has its own round
// axis.
void write_round_axis(h5::file& file, const std::string& path, std::span<const fl::round_record> rounds) {
    write_column(file, path, round_columns[0], rounds, {rounds.size()});
    describe(file, path, round_columns[0].units, round_columns[0].long_name);
    file.make_scale(path, round_columns[0].name);
}

void write_layers(h5::file& file, const std::vector<std::string>& names,
                  std::span<const fl::round_record> rounds) {
    write_round_axis(file, "/layers/round", rounds);
    write_axis(file, "/layers/layer", counted(names.size()), "layer", "index of the prunable tensor");
    file.write("/layers/name", names);
    describe(file, "/layers/name", "1", "name of the prunable tensor");
    attach(file, "/layers/name", {"/layers/layer"});

    std::vector<double> densities(rounds.size() * names.size(), fl::not_measured);
    for (std::size_t t = 0; t < rounds.size(); ++t) {
        const std::vector<double>& row = rounds[t].layer_density;
        std::copy_n(row.begin(), std::min(row.size(), names.size()),
                    densities.begin() + static_cast<std::ptrdiff_t>(t * names.size()));
    }
    file.write("/layers/density", std::span<const double>(densities), {rounds.size(), names.size()});
    describe(file, "/layers/density", "1", "share of weights of the tensor that are alive");
    attach(file, "/layers/density", {"/layers/round", "/layers/layer"});
}

std::size_t slots_in(int clients_per_round, std::span<const fl::round_record> rounds) {
    auto slots = static_cast<std::size_t>(std::max(clients_per_round, 0));
    for (const fl::round_record& r : rounds) {
        slots = std::max(slots, r.clients.size());
    }
    return slots;
}

void write_clients(h5::file& file, int clients_per_round, std::span<const fl::round_record> rounds) {
    const std::size_t slots = slots_in(clients_per_round, rounds);
    fl::client_record nobody;
    nobody.id = -1;
    nobody.included = 0;
    std::vector<fl::client_record> clients(rounds.size() * slots, nobody);
    for (std::size_t t = 0; t < rounds.size(); ++t) {
        std::copy(rounds[t].clients.begin(), rounds[t].clients.end(),
                  clients.begin() + static_cast<std::ptrdiff_t>(t * slots));
    }

    write_round_axis(file, "/clients/round", rounds);
    write_axis(file, "/clients/slot", counted(slots), "slot", "slot of the sampled client");
    for (const client_column& c : client_columns) {
        const std::string path = std::string("/clients/") + c.name;
        write_column(file, path, c, std::span<const fl::client_record>(clients), {rounds.size(), slots});
        describe(file, path, c.units, c.long_name);
        attach(file, path, {"/clients/round", "/clients/slot"});
    }
}

void read_layers(const h5::file& file, std::span<fl::round_record> rounds) {
    const h5::shape shape = file.shape_of("/layers/density");
    const std::vector<double> densities = file.read<double>("/layers/density");
    if (shape.size() != 2 || shape[0] != rounds.size()) {
        throw error("can't read dataset", file.name() + ":/layers/density",
                    "it has another length than the rest");
    }
    for (std::size_t t = 0; t < rounds.size(); ++t) {
        const auto row = densities.begin() + static_cast<std::ptrdiff_t>(t * shape[1]);
        rounds[t].layer_density.assign(row, row + static_cast<std::ptrdiff_t>(shape[1]));
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
            return h5::file::open(read_file(path), path.string()).string_attribute("/", "created");
        } catch (const error&) {
            return now_utc();
        }
    }
    return now_utc();
}

} // namespace

std::vector<std::byte> encode_results(const results_header& header,
                                      std::span<const fl::round_record> rounds) {
    h5::file file = h5::file::create("results");
    write_header(file, header);
    write_rounds(file, rounds);
    write_layers(file, header.info.layer_names, rounds);
    write_clients(file, header.info.clients_per_round, rounds);
    return file.image();
}

results read_results(const std::filesystem::path& path) {
    const h5::file file = h5::file::open(read_file(path), path.string());
    if (!file.has_attribute("/", "complete") || !file.has("/rounds/round")) {
        throw error("can't read results", path.string(), "it is not a results file of feddip");
    }
    results r;
    r.header = read_header(file);
    r.rounds.resize(file.read<int>("/rounds/round").size());
    for (const round_column& c : round_columns) {
        read_column(file, std::string("/rounds/") + c.name, c, std::span(r.rounds));
    }
    read_layers(file, r.rounds);
    read_clients(file, r.rounds);
    return r;
}

results_writer::results_writer(std::filesystem::path path, provenance made_by) : path_(std::move(path)) {
    header_.made_by = std::move(made_by);
}

void results_writer::on_start(const fl::run_info& info, const fl::run_state& state) {
    header_.info = info;
    header_.created = created_at(path_);
    write(state, flush::later);
}

void results_writer::on_round(const fl::run_state& state) {
    constexpr double tolerated_share = 0.02;
    if (seconds_to_write_ <= tolerated_share * since_last_write_.seconds()) {
        write(state, flush::later);
    }
}

void results_writer::on_finish(const fl::run_state& state, bool complete) {
    header_.complete = complete;
    write(state, flush::now);
}

void results_writer::write(const fl::run_state& state, flush when) {
    const stopwatch writing;
    replace_file(path_, encode_results(header_, state.history), when);
    seconds_to_write_ = writing.seconds();
    since_last_write_.lap();
}

} // namespace feddip::io
