#include "base/error.hpp"
#include "io/lease.hpp"
#include "unit/io/example_run.hpp"
#include "unit/io/failing_calls.hpp"
#include "unit/io/in_a_process.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <thread>
#include <tuple>

namespace feddip::io {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::end_of;
using ::testing::HasSubstr;
using testing::scratch_folder;
using testing::start_process;
using ::testing::StartsWith;

constexpr auto soon = 200ms;

lease_holder ended() {
    auto h = this_process();
    h.started += 1; // another process had this id
    return h;
}

// A process on a machine of which nothing is known here.
lease_holder elsewhere(std::chrono::milliseconds duration = 1min) {
    auto h = this_process();
    h.host = "elsewhere";
    static int machines = 0;
    h.boot = "machine " + std::to_string(++machines);
    h.duration = duration;
    return h;
}

lease_holder in_job(const std::string& job, int restarts, const std::string& cluster = "alps") {
    auto h = elsewhere();
    h.job = job;
    h.restarts = restarts;
    h.cluster = cluster;
    return h;
}

job_state nothing_known(const std::string&) {
    return job_state::unknown;
}

// Leaves a lease as a process does that is killed.
void leave(const std::filesystem::path& file, const lease_holder& who) {
    EXPECT_EQ(end_of(start_process([&] {
                  const lease held(file, "run.h5", who, nothing_known);
                  ::_exit(5);
                  return 0;
              })),
              5);
}

std::string refusal(const std::filesystem::path& file, const lease_holder& who,
                    const std::function<job_state(const std::string&)>& ask = nothing_known) {
    try {
        const lease taken(file, "run.h5", who, ask);
        return "not refused";
    } catch (const input_error& e) {
        return e.what();
    }
}

std::size_t files_in(const scratch_folder& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

TEST(lease, is_refused_to_others_by_name_and_time_and_free_again_at_its_end) {
    const scratch_folder folder;
    {
        const lease held(folder / "a.lease", "run.h5", in_job("12", 0));
        EXPECT_THAT(refusal(folder / "a.lease", elsewhere()),
                    AllOf(StartsWith("another job is at this run (run.h5): job 12 (process "),
                          HasSubstr(" on elsewhere) has it until 20"), HasSubstr(" UTC ")));
        EXPECT_EQ(files_in(folder), 1U);
    }
    EXPECT_EQ(files_in(folder), 0U);
    EXPECT_EQ(refusal(folder / "a.lease", elsewhere()), "not refused");
}

TEST(lease, of_a_living_process_is_refused_to_one_on_the_same_machine) {
    const scratch_folder folder;
    const lease held(folder / "a.lease", "run.h5");
    const pid_t other =
        start_process([&] { return refusal(folder / "a.lease", this_process()) == "not refused"; });
    EXPECT_EQ(end_of(other), 0);
}

TEST(lease, of_a_process_that_has_ended_on_this_machine_is_taken_at_once) {
    const scratch_folder folder;
    leave(folder / "a.lease", ended());
    EXPECT_EQ(refusal(folder / "a.lease", this_process()), "not refused");
    EXPECT_EQ(end_of(start_process([&] {
                  const lease held(folder / "a.lease", "run.h5");
                  ::_exit(5);
                  return 0;
              })),
              5);
    EXPECT_TRUE(std::filesystem::exists(folder / "a.lease"));
    EXPECT_EQ(refusal(folder / "a.lease", this_process()), "not refused");
}

TEST(lease, is_taken_when_it_has_run_out) {
    const scratch_folder folder;
    leave(folder / "a.lease", elsewhere(soon));
    EXPECT_THAT(refusal(folder / "a.lease", elsewhere()), HasSubstr("another job"));
    std::this_thread::sleep_for(soon + 100ms);
    EXPECT_EQ(refusal(folder / "a.lease", elsewhere()), "not refused");
}

TEST(lease, is_renewed_while_its_process_lives) {
    const scratch_folder folder;
    lease held(folder / "a.lease", "run.h5", elsewhere(soon));
    std::this_thread::sleep_for(3 * soon);
    EXPECT_THAT(refusal(folder / "a.lease", elsewhere()), HasSubstr("another job"));
    EXPECT_NO_THROW(held.confirm());
}

TEST(lease, is_taken_at_once_by_the_job_that_held_it_before_it_was_requeued) {
    const scratch_folder folder;
    leave(folder / "a.lease", in_job("12_3", 1));
    EXPECT_THAT(refusal(folder / "a.lease", in_job("12_4", 2)), HasSubstr("job 12_3"));
    EXPECT_THAT(refusal(folder / "a.lease", in_job("12_3", 1)), HasSubstr("job 12_3"));
    EXPECT_THAT(refusal(folder / "a.lease", in_job("12_3", 2, "another")), HasSubstr("job 12_3"));
    EXPECT_EQ(refusal(folder / "a.lease", in_job("12_3", 2)), "not refused");
}

TEST(lease, is_taken_at_once_when_slurm_says_that_its_job_is_gone) {
    const scratch_folder folder;
    leave(folder / "a.lease", in_job("12", 0));
    const auto says = [](job_state state) {
        return [=](const std::string& job) { return job == "12" ? state : job_state::unknown; };
    };
    EXPECT_THAT(refusal(folder / "a.lease", in_job("13", 0), says(job_state::there)), HasSubstr("job 12"));
    EXPECT_THAT(refusal(folder / "a.lease", in_job("13", 0), says(job_state::unknown)), HasSubstr("job 12"));
    EXPECT_THAT(refusal(folder / "a.lease", in_job("13", 0, "another"), says(job_state::gone)),
                HasSubstr("job 12"));
    EXPECT_EQ(refusal(folder / "a.lease", in_job("13", 0), says(job_state::gone)), "not refused");
}

TEST(lease, that_was_taken_over_or_removed_is_told_to_its_holder) {
    const scratch_folder folder;
    lease held(folder / "a.lease", "run.h5", in_job("12", 0));
    lease other(folder / "a.lease", "run.h5", in_job("13", 0),
                [](const std::string&) { return job_state::gone; });
    EXPECT_NO_THROW(other.confirm());
    EXPECT_THROW(held.confirm(), error);
    std::filesystem::remove(folder / "a.lease");
    EXPECT_THROW(other.confirm(), error);
}

TEST(lease, of_one_who_has_lost_it_is_left_to_the_other) {
    const scratch_folder folder;
    auto held = std::make_unique<lease>(folder / "a.lease", "run.h5", in_job("12", 0));
    lease other(folder / "a.lease", "run.h5", in_job("13", 0),
                [](const std::string&) { return job_state::gone; });
    held.reset();
    EXPECT_NO_THROW(other.confirm());
}

// As after a stop (SIGSTOP) or on a file system that has stood still: here the process is told that it is
// late at once.
TEST(lease, that_could_not_be_renewed_in_time_is_taken_again_unless_another_has_it) {
    const scratch_folder folder;
    for (const bool contested : {false, true}) {
        SCOPED_TRACE(contested);
        lease held(folder / "a.lease", "run.h5", in_job("12", 0));
        std::unique_ptr<lease> other;
        if (contested) {
            other = std::make_unique<lease>(folder / "a.lease", "run.h5", in_job("13", 0),
                                            [](const std::string&) { return job_state::gone; });
            EXPECT_THROW(held.take_again(), error);
            EXPECT_NO_THROW(other->confirm());
        } else {
            held.take_again();
            EXPECT_NO_THROW(held.confirm());
            EXPECT_EQ(files_in(folder), 1U);
            EXPECT_THAT(refusal(folder / "a.lease", elsewhere()), HasSubstr("job 12"));
        }
    }
    EXPECT_EQ(files_in(folder), 0U);
}

TEST(lease, that_is_damaged_is_one_of_nobody_that_runs_out) {
    const scratch_folder folder;
    for (const char* text : {"", "not a lease", "feddip lease 1\ntoken ../../x\nmilliseconds 1\n",
                             "feddip lease 1\ntoken a\nmilliseconds 9223372036854775807\n",
                             "feddip lease 1\ntoken a\nmilliseconds -1\n"}) {
        testing::put(folder / "a.lease", text);
        EXPECT_THAT(refusal(folder / "a.lease", elsewhere()), HasSubstr("unknown host")) << text;
        std::filesystem::last_write_time(folder / "a.lease",
                                         std::filesystem::file_time_type::clock::now() - 2 * lease_duration);
        EXPECT_EQ(refusal(folder / "a.lease", elsewhere()), "not refused") << text;
    }
    EXPECT_EQ(files_in(folder), 0U);
}

TEST(lease, is_had_again_when_its_file_and_all_that_follow_on_it_are_damaged) {
    const scratch_folder folder;
    const std::array names{"a.lease", "a.lease.unreadable", "a.lease.unreadable.unreadable"};
    for (const char* name : names) {
        testing::put(folder / name, "");
        EXPECT_THAT(refusal(folder / "a.lease", elsewhere()), HasSubstr("unknown host")) << name;
        std::filesystem::last_write_time(folder / name,
                                         std::filesystem::file_time_type::clock::now() - 2 * lease_duration);
    }
    {
        const lease held(folder / "a.lease", "run.h5");
        EXPECT_THAT(refusal(folder / "a.lease", elsewhere()), HasSubstr("another job"));
        EXPECT_EQ(files_in(folder), 1U);
    }
    EXPECT_EQ(files_in(folder), 0U);
}

TEST(lease, leaves_nothing_behind_of_those_that_ended_while_they_took_it) {
    const scratch_folder folder;
    testing::put(folder / "a.lease.new-0123456789abcdef", "feddip lease 1\n");
    testing::put(folder / "a.lease.0123456789abcdef", "feddip lease 1\n");
    testing::put(folder / "a.lease.fedcba9876543210.unreadable.unreadable", "");
    for (const char* name : {"a.lease.h5", "a.lease.ckpt-10.h5", "a.lease.c", "a.lease.new"}) {
        testing::put(folder / name, "somebody else's");
    }
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
        std::filesystem::last_write_time(file.path(),
                                         std::filesystem::file_time_type::clock::now() - 2 * lease_duration);
    }
    const lease held(folder / "a.lease", "run.h5");
    EXPECT_EQ(files_in(folder), 5U);
}

constexpr int more_calls_than_there_are = 100;

TEST(lease, is_had_by_the_next_wherever_a_process_ends_that_takes_it) {
    int nth = 1;
    bool died = true;
    for (; died && nth < more_calls_than_there_are; ++nth) {
        SCOPED_TRACE(nth);
        const scratch_folder folder;
        leave(folder / "a.lease", ended());
        died = end_of(start_process([&] {
                   const testing::failing_call last(nth, 0);
                   const lease held(folder / "a.lease", "run.h5", this_process(), nothing_known);
                   return 7;
               })) != 7;
        lease next(folder / "a.lease", "run.h5");
        EXPECT_NO_THROW(next.confirm());
    }
    EXPECT_GT(nth, 8);
    EXPECT_LT(nth, more_calls_than_there_are);
}

class lease_fault : public ::testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(lease_fault, of_any_call_is_reported_or_does_no_harm) {
    const auto [error_number, follows] = GetParam();
    bool happened = true;
    int nth = 1;
    for (; happened && nth < more_calls_than_there_are; ++nth) {
        SCOPED_TRACE(nth);
        const scratch_folder folder;
        if (follows) {
            leave(folder / "a.lease", ended());
        }
        std::unique_ptr<lease> held;
        {
            const testing::failing_call failing(nth, error_number);
            try {
                held = std::make_unique<lease>(folder / "a.lease", "run.h5");
            } catch (const error&) { // that is what is to happen
            }
            happened = failing.happened();
        }
        if (held) {
            EXPECT_NO_THROW(held->confirm());
            EXPECT_THAT(refusal(folder / "a.lease", elsewhere()), HasSubstr("another job"));
        } else {
            EXPECT_EQ(refusal(folder / "a.lease", this_process()), "not refused");
        }
    }
    EXPECT_GT(nth, follows ? 8 : 6);
    EXPECT_LT(nth, more_calls_than_there_are);
}

// EPERM: a file system that knows no links. EEXIST: one that tells of a link that it has just made.
INSTANTIATE_TEST_SUITE_P(errors, lease_fault,
                         ::testing::Combine(::testing::Values(EIO, ENOSPC, EPERM, EEXIST),
                                            ::testing::Bool()));

TEST(lease, is_had_by_a_process_whose_own_link_is_said_to_be_there_already) {
    int refused = 0;
    bool happened = true;
    for (int nth = 1; happened && nth < more_calls_than_there_are; ++nth) {
        const scratch_folder folder;
        const testing::failing_call failing(nth, EEXIST);
        try {
            const lease held(folder / "a.lease", "run.h5");
        } catch (const input_error&) { // "another job is at this run"
            ++refused;
        } catch (const error&) { // of opening or writing
        }
        happened = failing.happened();
    }
    EXPECT_FALSE(happened);
    EXPECT_EQ(refused, 0);
}

// Four processes at once, some of which end without giving the lease back, again and again.
TEST(lease, is_never_held_by_two) {
    constexpr int waves = 40, contenders = 4;
    enum end { refused, had_it, two_had_it, failed };
    const scratch_folder folder;
    int held = 0;
    for (int wave = 0; wave < waves; ++wave) {
        std::array<int, 2> gate{};
        ASSERT_EQ(::pipe(gate.data()), 0);
        std::array<pid_t, contenders> processes{};
        for (int i = 0; i < contenders; ++i) {
            processes[static_cast<std::size_t>(i)] = start_process([&] {
                ::close(gate[1]);
                char opened = 0;
                (void)!::read(gate[0], &opened, 1); // ends when the parent closes the gate
                try {
                    const lease mine(folder / "a.lease", "run.h5");
                    const auto inside = folder / "inside";
                    const int alone = ::open(inside.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0666);
                    if (alone < 0) {
                        return static_cast<int>(two_had_it);
                    }
                    std::this_thread::sleep_for(1ms);
                    ::unlink(inside.c_str());
                    if (i % 2 == 0) {
                        ::_exit(had_it);
                    }
                } catch (const input_error&) {
                    return static_cast<int>(refused);
                } catch (const error&) {
                    return static_cast<int>(failed);
                }
                return static_cast<int>(had_it);
            });
        }
        ::close(gate[0]);
        ::close(gate[1]);
        for (const pid_t process : processes) {
            const int how = end_of(process);
            EXPECT_LT(how, two_had_it) << wave;
            held += how == had_it ? 1 : 0;
        }
    }
    EXPECT_GE(held, waves);
}

TEST(run_lease, covers_results_and_checkpoints_wherever_they_lie) {
    const scratch_folder folder;
    std::filesystem::create_directory(folder / "other");
    {
        const run_lease beside(folder / "a.h5", folder / "a");
        EXPECT_TRUE(std::filesystem::exists(folder / "a.lease"));
        EXPECT_EQ(files_in(folder), 2U);
    }
    const run_lease apart(folder / "a.h5", folder / "other/a");
    EXPECT_TRUE(std::filesystem::exists(folder / "a.lease"));
    EXPECT_TRUE(std::filesystem::exists(folder / "other/a.lease"));
}

} // namespace
} // namespace feddip::io
