#include "base/error.hpp"
#include "base/random.hpp"
#include "hdf5/file.hpp"
#include "io/files.hpp"
#include "io/growing_results.hpp"
#include "io/preface.hpp"
#include "io/results.hpp"
#include "io/schema.hpp"
#include "unit/io/compare.hpp"
#include "unit/io/example_run.hpp"
#include "unit/io/older_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>

namespace feddip::io {
namespace {

using testing::example_info;
using testing::example_state;
using testing::expect_same;
using testing::scratch_folder;

provenance example_provenance() {
    return {"0.1.0", "abc1234", {"HDF5 1.10.8", "oneDNN 2.6.3"}, 61706, 61470};
}

h5::file open(const std::filesystem::path& path) {
    return h5::file::open(read_file(path), path.string());
}

results written_and_read(const fl::run_info& info, const fl::run_state& state) {
    const scratch_folder folder;
    results_writer writer(folder / "a.h5", example_provenance());
    writer.on_start(info, {});
    writer.on_finish(state, true);
    return read_results(folder / "a.h5");
}

TEST(results, give_back_every_record_to_the_bit) {
    const fl::run_state state = example_state(5);
    const results r = written_and_read(example_info(5), state);
    expect_same(r.rounds, state.history);
}

TEST(results, give_back_what_is_known_of_the_run) {
    const fl::run_info info = example_info(5);

    const results_header h = written_and_read(info, example_state(5)).header;

    EXPECT_EQ(h.info.config_toml, info.config_toml);
    EXPECT_EQ(h.info.method, info.method);
    EXPECT_EQ(h.info.model, info.model);
    EXPECT_EQ(h.info.dataset, info.dataset);
    EXPECT_EQ(h.info.seed, info.seed);
    EXPECT_EQ(h.info.rounds, info.rounds);
    EXPECT_EQ(h.info.clients_per_round, info.clients_per_round);
    EXPECT_EQ(h.info.mpi_ranks, info.mpi_ranks);
    EXPECT_EQ(h.info.threads_per_rank, info.threads_per_rank);
    EXPECT_EQ(h.info.hostnames, info.hostnames);
    EXPECT_EQ(h.info.layer_names, info.layer_names);
    EXPECT_EQ(h.made_by.feddip_version, "0.1.0");
    EXPECT_EQ(h.made_by.git_commit, "abc1234");
    EXPECT_EQ(h.made_by.library_versions, example_provenance().library_versions);
    EXPECT_EQ(h.made_by.parameters, 61706U);
    EXPECT_EQ(h.made_by.prunable_parameters, 61470U);
    EXPECT_TRUE(h.complete);
    EXPECT_TRUE(std::regex_match(h.created, std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"))) << h.created;
}

TEST(results, know_which_data_they_are_of_unless_clients_are_protected) {
    auto made_by = example_provenance();
    const scratch_folder folder;
    const auto checksum_in = [&](const fl::run_state& state) {
        results_writer(folder / "a.h5", made_by).on_start(example_info(1), state);
        return read_results(folder / "a.h5").header.made_by.data_checksum;
    };
    auto state = example_state(1);
    state.protection.reset();
    EXPECT_EQ(checksum_in(state), "");
    made_by.data_checksum = "0123456789abcdef";
    EXPECT_EQ(checksum_in(state), "0123456789abcdef");
    state.protection.emplace(fl::protection_state{.key = {}, .clip = 1});
    EXPECT_EQ(checksum_in(state), "");
}

TEST(results, say_what_always_naming_the_most_frequent_class_gets) {
    auto made_by = example_provenance();
    const scratch_folder folder;
    const auto share_in = [&] {
        results_writer(folder / "a.h5", made_by).on_start(example_info(1), {});
        return read_results(folder / "a.h5").header.made_by.majority_share;
    };
    EXPECT_TRUE(std::isnan(share_in())) << "not known";
    made_by.majority_share = 0.75;
    EXPECT_EQ(share_in(), 0.75);
}

TEST(results, of_a_run_without_a_round_are_a_whole_file) {
    const scratch_folder folder;
    results_writer writer(folder / "a.h5", example_provenance());
    writer.on_start(example_info(5), {});

    const results r = read_results(folder / "a.h5");

    EXPECT_TRUE(r.rounds.empty());
    EXPECT_FALSE(r.header.complete);
}

TEST(results, leave_slots_empty_whose_client_dropped_out) {
    fl::run_state state = example_state(4);
    state.history[1].clients.pop_back();
    state.history[2].clients.clear();
    const results r = written_and_read(example_info(4), state);
    expect_same(r.rounds, state.history);
}

TEST(results, keep_a_layer_without_densities_as_not_measured) {
    fl::run_state state = example_state(2);
    state.history[0].layer_density.clear();
    const results r = written_and_read(example_info(2), state);
    ASSERT_EQ(r.rounds[0].layer_density.size(), 2U);
    EXPECT_TRUE(std::isnan(r.rounds[0].layer_density[0]));
    EXPECT_EQ(r.rounds[1].layer_density, state.history[1].layer_density);
}

TEST(results, say_the_units_and_the_meaning_of_every_column) {
    const h5::file file =
        h5::file::open(encode_results({example_info(3), {}, "", false}, example_state(3).history), "f");
    std::vector<std::string> paths = {"/layers/name",   "/layers/round",  "/layers/layer", "/classes/round",
                                      "/classes/class", "/clients/round", "/clients/slot"};
    for (const list_column& c : list_columns) {
        paths.emplace_back(c.path);
    }
    for (const round_column& c : round_columns) {
        paths.push_back(std::string("/rounds/") + c.name);
    }
    for (const client_column& c : client_columns) {
        paths.push_back(std::string("/clients/") + c.name);
    }
    for (const std::string& path : paths) {
        EXPECT_FALSE(file.string_attribute(path, "units").empty()) << path;
        EXPECT_FALSE(file.string_attribute(path, "long_name").empty()) << path;
    }
}

TEST(results, have_the_shapes_of_the_schema) {
    const h5::file file =
        h5::file::open(encode_results({example_info(9), {}, "", false}, example_state(4).history), "f");
    EXPECT_EQ(file.shape_of("/rounds/bytes_up"), (h5::shape{4}));
    EXPECT_EQ(file.shape_of("/layers/density"), (h5::shape{4, 2}));
    EXPECT_EQ(file.shape_of("/classes/accuracy"), (h5::shape{4, 3}));
    EXPECT_EQ(file.shape_of("/clients/id"), (h5::shape{4, testing::example_slots}));
}

TEST(growing_results, are_the_same_however_they_grew) {
    // Past one chunk of rows, with a round that has more clients than was said, and one with none.
    fl::run_state state = example_state(300);
    state.history[200].clients.push_back(state.history[200].clients[0]);
    state.history[250].clients.clear();
    const std::span<const fl::round_record> history(state.history);
    const results_header header{example_info(300), example_provenance(), "2001-02-03T04:05:06Z", false};
    growing_results grown(header);
    for (const std::size_t rounds : {0, 1, 2, 127, 128, 129, 200, 201, 202, 251, 300}) {
        grown.grow_to(history.first(rounds));
        const scratch_folder folder;
        replace_file(folder / "grown.h5", grown.image());
        replace_file(folder / "at_once.h5", encode_results(header, history.first(rounds)));
        const results r = read_results(folder / "grown.h5");
        ASSERT_EQ(r.rounds.size(), rounds);
        expect_same(r.rounds, read_results(folder / "at_once.h5").rounds);
        EXPECT_FALSE(r.header.complete);
    }

    grown.complete();

    const scratch_folder folder;
    replace_file(folder / "complete.h5", grown.image());
    const results r = read_results(folder / "complete.h5");
    EXPECT_TRUE(r.header.complete);
    EXPECT_EQ(r.rounds[200].clients.size(), testing::example_slots + 1U);
    EXPECT_TRUE(r.rounds[250].clients.empty());
    expect_same(r.rounds[299], state.history[299]);
}

TEST(growing_results, stay_complete_when_a_round_has_more_clients_than_there_is_room_for) {
    fl::run_state state = example_state(3);
    growing_results grown({example_info(3), example_provenance(), "2001-02-03T04:05:06Z", false});
    grown.grow_to(std::span(state.history).first(2));
    grown.complete();
    auto& clients = state.history[2].clients;
    clients.resize(testing::example_slots + 1U, clients[0]);
    grown.grow_to(state.history);

    const scratch_folder folder;
    replace_file(folder / "a.h5", grown.image());
    const results r = read_results(folder / "a.h5");
    EXPECT_EQ(r.rounds.size(), 3U);
    EXPECT_TRUE(r.header.complete);
}

TEST(growing_results, hold_rounds_without_clients_or_layers) {
    fl::run_info info = example_info(3);
    info.clients_per_round = 0;
    info.layer_names.clear();
    info.measures_class_accuracy = false;
    fl::run_state state = example_state(3);
    for (fl::round_record& r : state.history) {
        r.clients.clear();
        for (const list_column& c : list_columns) {
            (r.*c.member).clear();
        }
    }
    expect_same(written_and_read(info, state).rounds, state.history);
}

TEST(results_writer, can_be_followed_while_the_run_goes_on) {
    const scratch_folder folder;
    results_writer writer(folder / "a.h5", example_provenance());
    writer.on_start(example_info(3), {});
    std::size_t seen = 0;
    for (int round = 1; round <= 3; ++round) {
        writer.on_round(example_state(round));
        const std::size_t now = read_results(folder / "a.h5").rounds.size();
        EXPECT_GE(now, seen);
        EXPECT_LE(now, static_cast<std::size_t>(round));
        seen = now;
    }
    writer.on_finish(example_state(3), false);
    EXPECT_EQ(read_results(folder / "a.h5").rounds.size(), 3U);
    EXPECT_FALSE(read_results(folder / "a.h5").header.complete);
}

TEST(results_writer, shows_at_once_that_a_loss_is_not_finite) {
    const scratch_folder folder;
    for (const double loss :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        results_writer writer(folder / "a.h5", example_provenance());
        writer.on_start(example_info(3), {});
        for (int round = 1; round <= 3; ++round) {
            auto state = example_state(round);
            state.history.back().test_accuracy = 0.1;
            state.history.back().test_loss = loss;
            writer.on_round(state);
            EXPECT_EQ(read_results(folder / "a.h5").rounds.size(), static_cast<std::size_t>(round));
        }
    }
}

TEST(results_writer, keeps_the_date_of_the_first_file_when_resumed) {
    const scratch_folder folder;
    const std::string first = "2001-02-03T04:05:06Z";
    replace_file(folder / "a.h5", encode_results({example_info(3), {}, first, false}, {}));

    results_writer writer(folder / "a.h5", example_provenance());
    writer.on_start(example_info(3), example_state(2));

    EXPECT_EQ(open(folder / "a.h5").string_attribute("/", "created"), first);
    EXPECT_EQ(read_results(folder / "a.h5").rounds.size(), 2U);
}

TEST(results_writer, replaces_a_damaged_file_when_resumed) {
    const scratch_folder folder;
    testing::put(folder / "a.h5", "not HDF5");
    results_writer writer(folder / "a.h5", example_provenance());
    writer.on_start(example_info(3), example_state(2));
    EXPECT_EQ(read_results(folder / "a.h5").rounds.size(), 2U);
}

TEST(read_results, refuses_a_file_that_is_damaged_or_cut_off_anywhere) {
    const scratch_folder folder;
    const auto whole = encode_results({example_info(3), {}, "", false}, example_state(3).history);
    random_stream random(1, 0, 0, purpose::test);
    const auto somewhere = [&] { return random.below(static_cast<std::uint32_t>(whole.size())); };
    for (int i = 0; i < 200; ++i) {
        auto bytes = whole;
        bytes[i < 60 ? static_cast<std::size_t>(i) : somewhere()] ^= std::byte{1};
        replace_file(folder / "a.h5", bytes, flush::later);
        EXPECT_THROW(read_results(folder / "a.h5"), error);
        replace_file(folder / "a.h5", std::span(whole).first(somewhere()), flush::later);
        EXPECT_THROW(read_results(folder / "a.h5"), error);
    }
}

TEST(read_results, takes_a_file_without_a_preface_as_older_versions_write_it) {
    const scratch_folder folder;
    const auto state = example_state(3);
    const auto whole = encode_results({example_info(3), {}, "", false}, state.history);
    replace_file(folder / "a.h5", std::span(whole).subspan(preface_size));
    expect_same(read_results(folder / "a.h5").rounds, state.history);
}

TEST(read_results, takes_a_file_from_before_its_optional_columns_were_there) {
    const scratch_folder folder;
    fl::run_state state = example_state(3);
    const auto whole = encode_results({example_info(3), {}, "", false}, state.history);
    replace_file(folder / "a.h5", testing::without(std::span(whole).subspan(preface_size),
                                                   testing::optional_paths("/rounds/", "/clients/")));

    const results r = read_results(folder / "a.h5");

    testing::forget_optional_columns(state.history);
    expect_same(r.rounds, state.history);
}

TEST(read_results, refuses_a_file_that_lacks_another_column) {
    const scratch_folder folder;
    const auto whole = encode_results({example_info(3), {}, "", false}, example_state(3).history);
    replace_file(folder / "a.h5",
                 testing::without(std::span(whole).subspan(preface_size), {"/rounds/test_accuracy"}));
    EXPECT_THROW(read_results(folder / "a.h5"), error);
}

TEST(read_results, refuses_another_file) {
    const scratch_folder folder;
    testing::put(folder / "text.h5", "not HDF5");
    h5::file other = h5::file::create("other");
    other.write("/something", std::vector<int>{1});
    replace_file(folder / "other.h5", other.image());

    EXPECT_THROW(read_results(folder / "text.h5"), error);
    EXPECT_THROW(read_results(folder / "other.h5"), error);
}

} // namespace
} // namespace feddip::io
