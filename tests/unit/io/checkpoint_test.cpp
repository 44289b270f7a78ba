#include "base/error.hpp"
#include "base/random.hpp"
#include "io/checkpoint.hpp"
#include "io/client_files.hpp"
#include "io/files.hpp"
#include "io/preface.hpp"
#include "unit/io/compare.hpp"
#include "unit/io/example_run.hpp"
#include "unit/io/failing_calls.hpp"
#include "unit/io/older_file.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>
#include <system_error>

namespace feddip::io {
namespace {

using ::testing::ElementsAre;
using testing::example_info;
using testing::example_state;
using testing::expect_same;
using ::testing::HasSubstr;
using ::testing::Key;
using testing::scratch_folder;

const std::string config = "[federation]\nseed = 1\nrounds = 10\n";

std::vector<std::byte> example_bytes() {
    return encode_checkpoint(config, example_state(4));
}

checkpoint decoded(const std::vector<std::byte>& bytes) {
    return decode_checkpoint(bytes, "test");
}

double no_time_passes() {
    return 0;
}

config::checkpoint_section every(int rounds, double minutes, int keep) {
    config::checkpoint_section settings;
    settings.every_rounds = rounds;
    settings.every_minutes = minutes;
    settings.keep = keep;
    return settings;
}

void write_run(const std::filesystem::path& stem, int rounds, int every_rounds, int keep) {
    checkpoint_writer writer(stem, every(every_rounds, 0, keep), no_time_passes);
    writer.on_start(example_info(rounds), {});
    for (int round = 1; round <= rounds; ++round) {
        writer.on_round(example_state(round));
    }
}

void damage(const std::filesystem::path& path, std::size_t at) {
    std::vector<std::byte> bytes = read_file(path);
    bytes.at(at) ^= std::byte{1};
    replace_file(path, bytes);
}

TEST(checkpoint, gives_back_the_whole_state_to_the_bit) {
    const fl::run_state state = example_state(4);
    const checkpoint c = decoded(encode_checkpoint(config, state));
    EXPECT_EQ(c.config_toml, config);
    expect_same(c.state, state);
}

fl::run_state protected_state(int rounds) {
    fl::run_state state = example_state(rounds);
    state.protection.emplace();
    for (std::size_t i = 0; i < privacy::secret::size; ++i) {
        state.protection->key.bytes()[i] = static_cast<std::uint8_t>(200 + i);
    }
    state.protection->clip = 1.0 / 3;
    return state;
}

TEST(checkpoint, holds_the_key_and_the_bound_of_protected_clients) {
    const fl::run_state state = protected_state(3);
    expect_same(decoded(encode_checkpoint(config, state)).state, state);
}

TEST(checkpoint, is_refused_with_a_key_and_no_bound_or_one_that_is_none) {
    fl::run_state state = protected_state(1);
    const auto whole = encode_checkpoint(config, state);
    const auto without_bound = testing::without(std::span(whole).subspan(512), {"/protection/clip"});
    EXPECT_THROW(decode_checkpoint_content(without_bound, "test"), error);
    state.protection->clip = -1;
    EXPECT_THROW(decoded(encode_checkpoint(config, state)), error);
}

TEST(checkpoint, gives_back_what_clients_with_budgets_hold) {
    auto state = example_state(4);
    const parameter_layout one_tensor({{"a.weight", role::weight, {1000}, 0, 0, 1}});
    state.ladder = {one_tensor, state.model.mask, std::span(state.model.state).first(1000), 0.1};
    state.ladder_version = state.model.mask_version;
    state.client_part.resize(state.client_mask_version.size());
    state.client_part[2] = {{.level = 250, .turn = 3}, 7};
    state.ladder_round = 8;
    const auto whole = encode_checkpoint(config, state);
    expect_same(decoded(whole).state, state);

    const auto older =
        testing::without(std::span(whole).subspan(512), {"/ladder/round", "/client_part/ranked_in"});
    state.client_part[2].ranked_in = state.ladder_round = 0;
    expect_same(decode_checkpoint_content(older, "test").state, state);

    state.client_part[2].part.level = 0;
    EXPECT_THROW(decoded(encode_checkpoint(config, state)), error);
    state.client_part.resize(1);
    EXPECT_THROW(decoded(encode_checkpoint(config, state)), error);
}

TEST(checkpoint, holds_a_run_without_history_or_clients) {
    fl::run_state state = example_state(0);
    state.client_mask_version.clear();
    expect_same(decoded(encode_checkpoint("", state)).state, state);
}

TEST(checkpoint, holds_an_empty_state) {
    expect_same(decoded(encode_checkpoint("", {})).state, {});
}

TEST(checkpoint, holds_rounds_with_different_numbers_of_clients_and_layers) {
    fl::run_state state = example_state(4);
    state.history[1].clients.clear();
    state.history[2].clients.pop_back();
    state.history[3].layer_density.clear();
    expect_same(decoded(encode_checkpoint(config, state)).state, state);
}

TEST(checkpoint, keeps_pruned_weights_that_are_not_zero_and_the_sign_of_zeros) {
    fl::run_state state = example_state(1);
    const auto pruned = std::find(state.model.state.begin(), state.model.state.end(), 0.0F);
    ASSERT_NE(pruned, state.model.state.end());
    *pruned = -0.0F;
    expect_same(decoded(encode_checkpoint(config, state)).state, state);
}

TEST(checkpoint, refuses_to_be_written_with_masks_of_another_size) {
    fl::run_state state = example_state(1);
    state.recent_masks.front().mask = sparse::mask(3, true);
    EXPECT_THROW(encode_checkpoint(config, state), error);
}

TEST(checkpoint, keeps_a_mask_that_ends_on_a_word) {
    const fl::run_state state = example_state(1, 128, 3);
    expect_same(decoded(encode_checkpoint(config, state)).state, state);
}

TEST(checkpoint, costs_little_more_than_the_alive_weights_and_the_mask) {
    constexpr std::size_t prunable = 1000000;
    const fl::run_state state = example_state(1, prunable, 1000);
    constexpr std::size_t of_the_history = 2;
    const std::size_t masks = 1 + state.recent_masks.size() + of_the_history;
    const std::size_t needed = 4 * (state.model.mask.count() + 1000) + masks * prunable / 8;
    constexpr std::size_t of_the_format = 40 * 1024; // HDF5's own, half a KiB for each of some 70 datasets
    EXPECT_LT(encode_checkpoint(config, state).size(), needed + of_the_format);
}

TEST(checkpoint, is_read_from_before_its_optional_columns_were_there) {
    fl::run_state state = example_state(4);
    const auto whole = encode_checkpoint(config, state);
    const auto older = testing::without(std::span(whole).subspan(preface_size),
                                        testing::optional_paths("/history/", "/history/clients/"));

    const checkpoint c = decode_checkpoint_content(older, "test");

    testing::forget_optional_columns(state.history);
    expect_same(c.state, state);
}

TEST(checkpoint, knows_which_data_it_is_of_where_that_was_told) {
    EXPECT_EQ(decoded(encode_checkpoint(config, example_state(1), "0123456789abcdef")).data_checksum,
              "0123456789abcdef");
    EXPECT_EQ(decoded(encode_checkpoint(config, example_state(1))).data_checksum, "");
}

TEST(checkpoint, is_refused_when_cut_off_anywhere) {
    const std::vector<std::byte> whole = example_bytes();
    for (std::size_t size = 0; size < whole.size(); size += size < 600 ? 1 : 97) {
        EXPECT_THROW(decode_checkpoint(std::span(whole).first(size), "test"), error) << size;
    }
}

TEST(checkpoint, is_refused_when_any_bit_is_flipped) {
    const std::vector<std::byte> whole = example_bytes();
    random_stream random(1, 0, 0, purpose::test);
    for (int i = 0; i < 500; ++i) {
        std::vector<std::byte> bytes = whole;
        const std::size_t at =
            i < 100 ? static_cast<std::size_t>(i) : random.below(static_cast<std::uint32_t>(bytes.size()));
        bytes[at] ^= static_cast<std::byte>(1U << random.below(8));
        EXPECT_THROW(decoded(bytes), error) << at;
    }
}

TEST(checkpoint, is_refused_with_bytes_behind_it) {
    std::vector<std::byte> bytes = example_bytes();
    bytes.push_back(std::byte{0});
    EXPECT_THROW(decoded(bytes), error);
}

TEST(checkpoint, is_refused_when_its_history_is_of_another_length) {
    for (const int rounds_done : {3, 5}) {
        fl::run_state state = example_state(4);
        state.rounds_done = rounds_done;
        EXPECT_THROW(decoded(encode_checkpoint(config, state)), error) << rounds_done;
    }
}

TEST(load_newest, falls_back_from_one_whose_history_is_of_another_length) {
    const scratch_folder folder;
    write_run(folder / "run", 4, 1, 2);
    fl::run_state state = example_state(4);
    state.history.pop_back();
    replace_file(folder / "run.ckpt-4.h5", encode_checkpoint(config, state));
    EXPECT_EQ(load_newest(folder / "run")->state.rounds_done, 3);
}

TEST(load_newest, finds_nothing_where_nothing_is) {
    const scratch_folder folder;
    EXPECT_FALSE(load_newest(folder / "run").has_value());
}

TEST(load_newest, takes_the_highest_round_by_number) {
    const scratch_folder folder;
    write_run(folder / "run", 10, 1, 3);
    EXPECT_THAT(checkpoints_of(folder / "run"), ElementsAre(Key(8), Key(9), Key(10)));
    expect_same(load_newest(folder / "run")->state, example_state(10));
}

TEST(load_newest, ignores_files_of_other_runs_and_unfinished_ones) {
    const scratch_folder folder;
    write_run(folder / "run", 2, 1, 2);
    write_run(folder / "run2", 7, 1, 2);
    for (const char* name : {"run.ckpt-9.h5.tmp", "run.ckpt-x.h5", "run.ckpt-.h5", "run.ckpt--3.h5",
                             "run.ckpt-99999999999.h5"}) {
        testing::put(folder / name, "");
    }
    EXPECT_THAT(checkpoints_of(folder / "run"), ElementsAre(Key(1), Key(2)));
}

TEST(load_newest, falls_back_to_the_one_before_a_damaged_one_and_says_so) {
    const scratch_folder folder;
    write_run(folder / "run", 5, 1, 2);
    damage(folder / "run.ckpt-5.h5", 5000);

    ::testing::internal::CaptureStderr();
    const std::optional<checkpoint> c = load_newest(folder / "run");
    const std::string said = ::testing::internal::GetCapturedStderr();

    ASSERT_TRUE(c.has_value());
    expect_same(c->state, example_state(4));
    EXPECT_THAT(said, HasSubstr("run.ckpt-5.h5"));
}

TEST(load_newest, falls_back_from_an_empty_file) {
    const scratch_folder folder;
    write_run(folder / "run", 5, 1, 2);
    testing::put(folder / "run.ckpt-5.h5", "");
    EXPECT_EQ(load_newest(folder / "run")->state.rounds_done, 4);
}

TEST(load_newest, does_not_go_back_behind_one_that_the_system_does_not_let_through) {
    for (const int reason : {EACCES, EIO, ESTALE}) {
        const scratch_folder folder;
        write_run(folder / "run", 5, 1, 2);
        const testing::failing_call open(1, reason);
        try {
            load_newest(folder / "run");
            FAIL() << "nothing was thrown";
        } catch (const input_error& e) {
            EXPECT_THAT(e.what(), HasSubstr("run.ckpt-5.h5"));
            EXPECT_THAT(e.what(), HasSubstr(std::generic_category().message(reason)));
        }
    }
}

TEST(load_newest, does_not_start_anew_when_all_are_damaged) {
    const scratch_folder folder;
    write_run(folder / "run", 2, 1, 2);
    damage(folder / "run.ckpt-1.h5", 1000);
    damage(folder / "run.ckpt-2.h5", 1000);
    EXPECT_THROW(load_newest(folder / "run"), input_error);
}

TEST(checkpoint_writer, writes_every_n_rounds_and_when_the_run_stops) {
    const scratch_folder folder;
    checkpoint_writer writer(folder / "run", every(3, 0, 5), no_time_passes);
    writer.on_start(example_info(10), {});
    for (int round = 1; round <= 7; ++round) {
        writer.on_round(example_state(round));
    }
    EXPECT_THAT(checkpoints_of(folder / "run"), ElementsAre(Key(3), Key(6)));

    writer.on_finish(example_state(7), false);

    EXPECT_THAT(checkpoints_of(folder / "run"), ElementsAre(Key(3), Key(6), Key(7)));
    EXPECT_EQ(load_newest(folder / "run")->config_toml, example_info(10).config_toml);
}

TEST(checkpoint_writer, has_the_key_of_protected_clients_on_the_disk_before_the_first_round) {
    const scratch_folder folder;
    checkpoint_writer writer(folder / "run", every(1, 0, 5), no_time_passes);
    writer.on_start(example_info(10), protected_state(0));

    EXPECT_TRUE(load_newest(folder / "run")->state.protection->key == protected_state(0).protection->key);
    const auto others = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
    EXPECT_EQ(std::filesystem::status(checkpoints_of(folder / "run").begin()->second).permissions() & others,
              std::filesystem::perms::none);

    checkpoint_writer later(folder / "later", every(1, 0, 5), no_time_passes);
    later.on_start(example_info(10), protected_state(3)); // it has one, from which it goes on
    EXPECT_TRUE(checkpoints_of(folder / "later").empty());
}

TEST(checkpoint_writer, writes_after_the_round_in_which_the_minutes_are_over) {
    const scratch_folder folder;
    double seconds = 1000;
    checkpoint_writer writer(folder / "run", every(0, 1.5, 9), [&] { return seconds; });
    writer.on_start(example_info(10), {});
    const auto round_of = [&](double length, int round) {
        seconds += length;
        writer.on_round(example_state(round));
    };
    round_of(89, 1);
    EXPECT_TRUE(checkpoints_of(folder / "run").empty());
    round_of(1, 2);
    EXPECT_THAT(checkpoints_of(folder / "run"), ElementsAre(Key(2)));
    round_of(80, 3); // the minutes count from the last one
    round_of(200, 4);
    round_of(1, 5);
    EXPECT_THAT(checkpoints_of(folder / "run"), ElementsAre(Key(2), Key(4)));

    writer.on_finish(example_state(5), true);

    EXPECT_THAT(checkpoints_of(folder / "run"), ElementsAre(Key(2), Key(4), Key(5)));
}

TEST(checkpoint_writer, counts_minutes_from_a_checkpoint_that_was_due_by_rounds) {
    const scratch_folder folder;
    double seconds = 0;
    checkpoint_writer writer(folder / "run", every(3, 1, 9), [&] { return seconds; });
    writer.on_start(example_info(10), {});
    for (int round = 1; round <= 7; ++round) {
        seconds += 25; // a minute is over with every third
        writer.on_round(example_state(round));
    }
    EXPECT_THAT(checkpoints_of(folder / "run"), ElementsAre(Key(3), Key(6)));
    seconds += 100;
    writer.on_round(example_state(8));
    EXPECT_THAT(checkpoints_of(folder / "run"), ElementsAre(Key(3), Key(6), Key(8)));
}

// However many rounds lie between them.
TEST(checkpoint_writer, keeps_the_residuals_that_its_checkpoints_need_and_no_others) {
    const scratch_folder folder;
    client_files residuals(folder / "run", versions::all);
    const auto residual_is_there = [&](int client, int round) {
        return std::filesystem::exists(folder / fmt::format("run.client-{}-{}.residual", client, round));
    };
    checkpoint_writer writer(folder / "run", every(0, 1, 2),
                             [minute = 0]() mutable { return 60.0 * minute++; });
    writer.on_start(example_info(99), {});
    const std::vector<float> some{1, 2, 3};
    const auto trained = [&](int client, int round) { residuals.save(client, round, some); };
    trained(1, 0);
    trained(1, 4);
    writer.on_round(example_state(5));
    trained(1, 5);
    trained(1, 40);
    trained(2, 40);
    writer.on_round(example_state(50));
    EXPECT_FALSE(residual_is_there(1, 0));
    EXPECT_TRUE(residual_is_there(1, 4)); // what the checkpoint after 5 rounds needs
    EXPECT_TRUE(residual_is_there(1, 5));
    trained(1, 60);
    trained(1, 70);
    writer.on_round(example_state(71));
    EXPECT_FALSE(residual_is_there(1, 4));
    EXPECT_FALSE(residual_is_there(1, 5));
    EXPECT_TRUE(residual_is_there(1, 40)); // what the one after 50 needs
    EXPECT_TRUE(residual_is_there(2, 40));
    EXPECT_TRUE(residual_is_there(1, 60)); // what would be written again
    EXPECT_TRUE(residual_is_there(1, 70)); // what the one after 71 needs
}

TEST(checkpoint_writer, writes_nothing_when_told_never) {
    const scratch_folder folder;
    write_run(folder / "run", 3, 0, 2);
    checkpoint_writer writer(folder / "run", every(0, 0, 2), no_time_passes);
    writer.on_start(example_info(3), {});
    writer.on_finish(example_state(3), true);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(checkpoint_writer, removes_a_damaged_later_one_before_a_whole_older_one) {
    const scratch_folder folder;
    write_run(folder / "run", 10, 5, 2);
    damage(folder / "run.ckpt-10.h5", 5000);
    checkpoint_writer writer(folder / "run", every(5, 0, 2), no_time_passes);
    writer.on_start(example_info(20), load_newest(folder / "run")->state);

    writer.on_finish(example_state(7), false);

    EXPECT_THAT(checkpoints_of(folder / "run"), ElementsAre(Key(5), Key(7)));
}

TEST(checkpoint_writer, writes_down_which_data_they_are_of) {
    const scratch_folder folder;
    checkpoint_writer writer(folder / "run", every(1, 0, 2), no_time_passes, "0123456789abcdef");
    writer.on_start(example_info(10), {});
    writer.on_round(example_state(1));
    EXPECT_EQ(load_newest(folder / "run")->data_checksum, "0123456789abcdef");
}

TEST(ensure_same_data, refuses_others_and_takes_what_is_not_known) {
    EXPECT_THROW(ensure_same_data("0123456789abcdef", "1123456789abcdef", "run"), input_error);
    for (const auto& [before, now] :
         {std::pair("0123456789abcdef", "0123456789abcdef"), {"", "1"}, {"1", ""}}) {
        EXPECT_NO_THROW(ensure_same_data(before, now, "run"));
    }
}

TEST(had_checkpoint, asks_rounds_and_minutes) {
    const auto history = example_state(4).history; // of 11, 12, 13 and 14 s
    EXPECT_TRUE(had_checkpoint(every(4, 0, 2), history));
    EXPECT_FALSE(had_checkpoint(every(5, 0, 2), history));
    EXPECT_TRUE(had_checkpoint(every(0, 50.0 / 60, 2), history));
    EXPECT_FALSE(had_checkpoint(every(0, 50.1 / 60, 2), history));
    EXPECT_TRUE(had_checkpoint(every(5, 0.5, 2), history));
    EXPECT_FALSE(had_checkpoint(every(0, 0, 2), history));
    EXPECT_FALSE(had_checkpoint(every(1, 0.1, 2), {}));
}

TEST(ensure_checkpoints_writable, refuses_to_mix_a_new_run_with_an_earlier_one) {
    const scratch_folder folder;
    ensure_checkpoints_writable(folder / "run", false);
    write_run(folder / "run", 2, 1, 2);
    EXPECT_THROW(ensure_checkpoints_writable(folder / "run", false), input_error);
    EXPECT_NO_THROW(ensure_checkpoints_writable(folder / "run", true));
    EXPECT_THROW(ensure_checkpoints_writable(folder / "no/run", true), input_error);
}

TEST(checkpoint_stem, lies_beside_the_results_or_in_the_configured_folder) {
    EXPECT_EQ(checkpoint_stem("runs/a.h5", ""), "runs/a");
    EXPECT_EQ(checkpoint_stem("a.h5", ""), "./a");
    EXPECT_EQ(checkpoint_stem("runs/a.h5", "scratch"), "scratch/a");
    EXPECT_EQ(checkpoint_stem("runs/a.hdf5", ""), "runs/a");
}

TEST(checkpoint_stem, differs_between_runs_that_only_a_number_tells_apart) {
    EXPECT_EQ(checkpoint_stem("runs/lr0.1", ""), "runs/lr0.1");
    EXPECT_EQ(checkpoint_stem("runs/lr0.2", "scratch"), "scratch/lr0.2");
    EXPECT_EQ(checkpoint_stem("runs/lr0.1.h5", ""), "runs/lr0.1");
}

TEST(config_differences, names_each_key_with_both_values) {
    const std::string before = "[federation]\nseed = 1\nrounds = 10\n";
    const std::string now = "[federation]\nseed = 2\nrounds = 10\nbatch_size = 64\n";
    EXPECT_THAT(config_differences(before, now), ElementsAre("federation.batch_size was 128 and is 64 now",
                                                             "federation.seed was 1 and is 2 now"));
}

TEST(config_differences, ignores_keys_that_leave_results_alone) {
    const std::string before = "[data]\npath = \"\"\n[checkpoint]\nkeep = 2\n[output]\npath = \"\"\n";
    const std::string now = "[data]\npath = \"elsewhere\"\n[checkpoint]\nkeep = 9\n[output]\npath = \"x\"\n";
    EXPECT_TRUE(config_differences(before, now).empty());
}

TEST(config_differences, counts_threads_communication_and_times) {
    const std::string before = "[communication]\nupload = \"sparse\"\n[compute]\nthreads = 1\n";
    const std::string now = "[communication]\nupload = \"dense\"\n[compute]\nthreads = 2\n"
                            "[links]\nuplink_mbit = 10\n[faults]\nslow_probability = 0.1\n";
    EXPECT_EQ(config_differences(before, now).size(), 4U);
}

TEST(ensure_same_run, refuses_another_config_and_names_the_key) {
    EXPECT_NO_THROW(ensure_same_run(config, config, "run"));
    try {
        ensure_same_run(config, "[federation]\nseed = 1\nrounds = 20\n", "run");
        FAIL() << "nothing was thrown";
    } catch (const input_error& e) {
        EXPECT_THAT(e.what(), HasSubstr("federation.rounds was 10 and is 20 now"));
    }
}

} // namespace
} // namespace feddip::io
