// Each call with which checkpoints and results are written, one after the other, made to fail and made to be
// the last of the process: afterwards the file before or the new one is whole.
#include "base/error.hpp"
#include "io/checkpoint.hpp"
#include "io/files.hpp"
#include "io/results.hpp"
#include "unit/io/compare.hpp"
#include "unit/io/example_run.hpp"
#include "unit/io/failing_calls.hpp"
#include "unit/io/in_a_process.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>

namespace feddip::io {
namespace {

using testing::example_info;
using testing::example_state;
using testing::expect_same;
using testing::failing_call;
using testing::scratch_folder;

constexpr int more_calls_than_there_are = 100;

// Runs `act` in a process of its own that ends at the nth call; whether it was ended there.
bool ended_at_call(int nth, const std::function<void()>& act) {
    constexpr int finished = 7;
    const pid_t child = testing::start_process([&] {
        const failing_call last(nth, 0);
        act();
        return finished;
    });
    return testing::end_of(child) != finished;
}

void write_checkpoint(const std::filesystem::path& stem, int round) {
    config::checkpoint_section keep_one;
    keep_one.keep = 1;
    checkpoint_writer writer(stem, keep_one, [] { return 0.0; });
    writer.on_start(example_info(9), {});
    writer.on_round(example_state(round));
}

void write_results(const std::filesystem::path& path, int rounds) {
    results_writer writer(path, {});
    writer.on_start(example_info(9), example_state(rounds));
    writer.on_finish(example_state(rounds), true);
}

void expect_one_of_two_checkpoints(const std::filesystem::path& stem) {
    const std::optional<checkpoint> c = load_newest(stem);
    ASSERT_TRUE(c.has_value());
    ASSERT_TRUE(c->state.rounds_done == 4 || c->state.rounds_done == 5);
    expect_same(c->state, example_state(c->state.rounds_done));
}

void expect_one_of_two_results(const std::filesystem::path& path) {
    const std::size_t rounds = read_results(path).rounds.size();
    EXPECT_TRUE(rounds == 4 || rounds == 5) << rounds;
}

class fault : public ::testing::TestWithParam<int> {};

TEST_P(fault, of_any_call_leaves_a_whole_checkpoint_and_is_reported) {
    int nth = 1;
    for (; nth < more_calls_than_there_are; ++nth) {
        SCOPED_TRACE(nth);
        const scratch_folder folder;
        write_checkpoint(folder / "run", 4);
        bool happened = false;
        bool reported = false;
        {
            const failing_call failing(nth, GetParam());
            try {
                write_checkpoint(folder / "run", 5);
            } catch (const error&) {
                reported = true;
            }
            happened = failing.happened();
        }
        expect_one_of_two_checkpoints(folder / "run");
        EXPECT_TRUE(reported || load_newest(folder / "run")->state.rounds_done == 5);
        write_checkpoint(folder / "run", 6);
        EXPECT_EQ(load_newest(folder / "run")->state.rounds_done, 6);
        if (!happened) {
            break;
        }
    }
    EXPECT_GT(nth, 6) << "open, write, fsync, close, rename and the folder's";
    EXPECT_LT(nth, more_calls_than_there_are);
}

TEST_P(fault, of_any_call_leaves_whole_results) {
    int nth = 1;
    for (; nth < more_calls_than_there_are; ++nth) {
        SCOPED_TRACE(nth);
        const scratch_folder folder;
        write_results(folder / "a.h5", 4);
        bool happened = false;
        {
            const failing_call failing(nth, GetParam());
            try {
                write_results(folder / "a.h5", 5);
            } catch (const error&) { // that is what is to happen
            }
            happened = failing.happened();
        }
        expect_one_of_two_results(folder / "a.h5");
        if (!happened) {
            break;
        }
    }
    EXPECT_GT(nth, 6);
    EXPECT_LT(nth, more_calls_than_there_are);
}

INSTANTIATE_TEST_SUITE_P(errors, fault, ::testing::Values(EIO, ENOSPC, EACCES));

TEST(death, at_any_call_leaves_a_whole_checkpoint) {
    int nth = 1;
    for (; nth < more_calls_than_there_are; ++nth) {
        SCOPED_TRACE(nth);
        const scratch_folder folder;
        write_checkpoint(folder / "run", 4);
        const bool ended = ended_at_call(nth, [&] { write_checkpoint(folder / "run", 5); });
        expect_one_of_two_checkpoints(folder / "run");
        write_checkpoint(folder / "run", 6);
        EXPECT_EQ(checkpoints_of(folder / "run").size(), 1U);
        EXPECT_FALSE(std::filesystem::exists(folder / "run.ckpt-5.h5.tmp"));
        if (!ended) {
            break;
        }
    }
    EXPECT_GT(nth, 6);
    EXPECT_LT(nth, more_calls_than_there_are);
}

TEST(death, at_any_call_leaves_whole_results) {
    int nth = 1;
    for (; nth < more_calls_than_there_are; ++nth) {
        SCOPED_TRACE(nth);
        const scratch_folder folder;
        write_results(folder / "a.h5", 4);
        const bool ended = ended_at_call(nth, [&] { write_results(folder / "a.h5", 5); });
        expect_one_of_two_results(folder / "a.h5");
        if (!ended) {
            break;
        }
    }
    EXPECT_GT(nth, 6);
    EXPECT_LT(nth, more_calls_than_there_are);
}

} // namespace
} // namespace feddip::io
