#include "io/growing_results.hpp"

#include "io/columns.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

namespace feddip::io {

namespace {

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

void write_axis_that_grows(h5::file& file, const std::string& path, hsize_t chunk_rows) {
    grow_column(file, path, round_columns[0], {}, chunk_rows);
    describe(file, path, round_columns[0].units, round_columns[0].long_name);
    file.make_scale(path, round_columns[0].name);
}

std::vector<layer_column> columns_of_layers(const results_header& header) {
    std::vector<layer_column> columns;
    std::ranges::copy_if(layer_columns, std::back_inserter(columns),
                         [&](const layer_column& c) { return !c.when || header.info.*c.when; });
    return columns;
}

// NaN in rounds in which it was not measured.
void append_layers(h5::file& file, const results_header& header, std::span<const fl::round_record> rounds) {
    const std::size_t layers = header.info.layer_names.size();
    for (const layer_column& c : columns_of_layers(header)) {
        std::vector<double> values(rounds.size() * layers, fl::not_measured);
        for (std::size_t t = 0; t < rounds.size(); ++t) {
            const std::vector<double>& row = rounds[t].*c.member;
            std::copy_n(row.begin(), std::min(row.size(), layers),
                        values.begin() + static_cast<std::ptrdiff_t>(t * layers));
        }
        file.append(std::string("/layers/") + c.name, std::span<const double>(values), rounds.size());
    }
}

// All that a file has before the first round. Dimensions in netCDF are seen from their own group downwards
// only, so that each group has its own round axis.
void write_frame(h5::file& file, const results_header& header, std::size_t slots) {
    constexpr int longest = 128; // rounds: a short run's file has no room to spare
    const auto chunk_rows =
        static_cast<hsize_t>(header.info.rounds > 0 ? std::min(header.info.rounds, longest) : longest);
    write_header(file, header);

    for (const char* group : {"/rounds/", "/layers/", "/clients/"}) {
        write_axis_that_grows(file, std::string(group) + round_columns[0].name, chunk_rows);
    }
    for (const round_column& c : std::span(round_columns).subspan(1)) {
        const std::string path = std::string("/rounds/") + c.name;
        grow_column(file, path, c, {}, chunk_rows);
        describe(file, path, c.units, c.long_name);
        attach(file, path, {"/rounds/round"});
    }

    const auto& names = header.info.layer_names;
    write_axis(file, "/layers/layer", counted(names.size()), "layer", "index of the prunable tensor");
    file.write("/layers/name", names);
    describe(file, "/layers/name", "1", "name of the prunable tensor");
    attach(file, "/layers/name", {"/layers/layer"});
    for (const layer_column& c : columns_of_layers(header)) {
        const std::string path = std::string("/layers/") + c.name;
        file.write_growing<double>(path, {names.size()}, chunk_rows);
        describe(file, path, "1", c.long_name);
        attach(file, path, {"/layers/round", "/layers/layer"});
    }

    write_axis(file, "/clients/slot", counted(slots), "slot", "slot of the sampled client");
    for (const client_column& c : client_columns) {
        const std::string path = std::string("/clients/") + c.name;
        grow_column(file, path, c, {slots}, chunk_rows);
        describe(file, path, c.units, c.long_name);
        attach(file, path, {"/clients/round", "/clients/slot"});
    }
}

void append_rounds(h5::file& file, const results_header& header, std::size_t slots,
                   std::span<const fl::round_record> rounds) {
    for (const char* group : {"/layers/", "/clients/"}) {
        append_column(file, std::string(group) + round_columns[0].name, round_columns[0], rounds,
                      rounds.size());
    }
    for (const round_column& c : round_columns) {
        append_column(file, std::string("/rounds/") + c.name, c, rounds, rounds.size());
    }

    append_layers(file, header, rounds);

    fl::client_record nobody;
    nobody.id = -1;
    nobody.included = 0;
    std::vector<fl::client_record> clients(rounds.size() * slots, nobody);
    for (std::size_t t = 0; t < rounds.size(); ++t) {
        std::ranges::copy(rounds[t].clients, clients.begin() + static_cast<std::ptrdiff_t>(t * slots));
    }
    for (const client_column& c : client_columns) {
        append_column(file, std::string("/clients/") + c.name, c, std::span<const fl::client_record>(clients),
                      rounds.size());
    }
}

std::size_t most_clients(std::span<const fl::round_record> rounds) {
    std::size_t most = 0;
    for (const fl::round_record& r : rounds) {
        most = std::max(most, r.clients.size());
    }
    return most;
}

} // namespace

growing_results::growing_results(const results_header& header)
    : header_(header), file_(h5::file::create("results")) {
    begin(0);
}

void growing_results::grow_to(std::span<const fl::round_record> history) {
    if (most_clients(history.subspan(rounds_)) > slots_) {
        begin(most_clients(history));
    }
    const auto added = history.subspan(rounds_);
    if (!added.empty()) {
        append_rounds(file_, header_, slots_, added);
        rounds_ = history.size();
    }
}

void growing_results::begin(std::size_t slots) {
    file_ = h5::file::create("results");
    rounds_ = 0;
    slots_ = std::max(slots, static_cast<std::size_t>(std::max(header_.info.clients_per_round, 0)));
    write_frame(file_, header_, slots_);
}

} // namespace feddip::io
