#include "io/growing_results.hpp"

#include "io/columns.hpp"
#include "io/preface.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
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
    if (!h.made_by.data_checksum.empty()) {
        file.set_attribute("/", "data_checksum", h.made_by.data_checksum);
    }
    if (!std::isnan(h.made_by.majority_share)) {
        file.set_attribute("/", "majority_share", h.made_by.majority_share);
    }
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

// Datasets [round, index] of one group.
struct table {
    std::string group; // with a slash at each end
    const char* index;
    const char* meaning; // of the index
    std::size_t length;
    std::vector<list_column> columns;
};

table table_of(const fl::run_info& info, std::string group, const char* index, const char* meaning,
               std::size_t length) {
    table t{.group = std::move(group), .index = index, .meaning = meaning, .length = length, .columns = {}};
    std::ranges::copy_if(list_columns, std::back_inserter(t.columns), [&](const list_column& c) {
        return std::string_view(c.path).starts_with(t.group) && (!c.when || info.*c.when);
    });
    return t;
}

std::vector<table> tables_of(const fl::run_info& info) {
    std::vector<table> tables{
        table_of(info, "/layers/", "layer", "index of the prunable tensor", info.layer_names.size())};
    if (info.measures_class_accuracy) {
        tables.push_back(table_of(info, "/classes/", "class", "label of the images",
                                  static_cast<std::size_t>(info.classes)));
    }
    return tables;
}

void frame_table(h5::file& file, const table& t, hsize_t chunk_rows) {
    const std::string rounds = t.group + round_columns[0].name;
    const std::string index = t.group + t.index;
    write_axis_that_grows(file, rounds, chunk_rows);
    write_axis(file, index, counted(t.length), t.index, t.meaning);
    for (const list_column& c : t.columns) {
        file.write_growing<double>(c.path, {t.length}, chunk_rows);
        describe(file, c.path, "1", c.long_name);
        attach(file, c.path, {rounds, index});
    }
}

// NaN in rounds in which it was not measured.
void append_table(h5::file& file, const table& t, std::span<const fl::round_record> rounds) {
    append_column(file, t.group + round_columns[0].name, round_columns[0], rounds, rounds.size());
    for (const list_column& c : t.columns) {
        std::vector<double> values(rounds.size() * t.length, fl::not_measured);
        for (std::size_t r = 0; r < rounds.size(); ++r) {
            const std::vector<double>& row = rounds[r].*c.member;
            std::copy_n(row.begin(), std::min(row.size(), t.length),
                        values.begin() + static_cast<std::ptrdiff_t>(r * t.length));
        }
        file.append(c.path, std::span<const double>(values), rounds.size());
    }
}

// All that a file has before the first round. Dimensions in netCDF are seen from their own group downwards
// only, so that each group has its own round axis.
void write_frame(h5::file& file, const results_header& header, std::size_t slots) {
    constexpr int longest = 128; // rounds: a short run's file has no room to spare
    const auto chunk_rows =
        static_cast<hsize_t>(header.info.rounds > 0 ? std::min(header.info.rounds, longest) : longest);
    write_header(file, header);

    for (const char* group : {"/rounds/", "/clients/"}) {
        write_axis_that_grows(file, std::string(group) + round_columns[0].name, chunk_rows);
    }
    for (const round_column& c : std::span(round_columns).subspan(1)) {
        const std::string path = std::string("/rounds/") + c.name;
        grow_column(file, path, c, {}, chunk_rows);
        describe(file, path, c.units, c.long_name);
        attach(file, path, {"/rounds/round"});
    }

    for (const table& t : tables_of(header.info)) {
        frame_table(file, t, chunk_rows);
    }
    file.write("/layers/name", header.info.layer_names);
    describe(file, "/layers/name", "1", "name of the prunable tensor");
    attach(file, "/layers/name", {"/layers/layer"});

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
    for (const round_column& c : round_columns) {
        append_column(file, std::string("/rounds/") + c.name, c, rounds, rounds.size());
    }
    for (const table& t : tables_of(header.info)) {
        append_table(file, t, rounds);
    }

    append_column(file, std::string("/clients/") + round_columns[0].name, round_columns[0], rounds,
                  rounds.size());
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

// Also for the file that a later growth may begin anew.
void growing_results::complete() {
    header_.complete = true;
    file_.set_attribute("/", "complete", 1);
}

std::span<const std::byte> growing_results::image() {
    file_.image_into(image_, preface_size);
    write_preface(results_title, image_);
    return image_;
}

void growing_results::begin(std::size_t slots) {
    file_ = h5::file::create("results");
    rounds_ = 0;
    slots_ = std::max(slots, static_cast<std::size_t>(std::max(header_.info.clients_per_round, 0)));
    write_frame(file_, header_, slots_);
}

} // namespace feddip::io
