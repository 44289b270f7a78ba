#include "base/error.hpp"
#include "io/checkpoint.hpp"
#include "io/files.hpp"
#include "io/info.hpp"
#include "io/results.hpp"
#include "unit/io/example_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace feddip::io {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using testing::example_info;
using testing::example_state;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::scratch_folder;

TEST(info, summarizes_a_results_file) {
    const scratch_folder folder;
    fl::run_state state = example_state(3);
    state.history[0].test_accuracy = 0.5;
    state.history[1].test_accuracy = 0.9;
    state.history[2].test_accuracy = 0.7;
    for (fl::round_record& r : state.history) {
        r.bytes_up = 1000000;
        r.bytes_down = 500;
    }
    replace_file(folder / "a.h5",
                 encode_results({example_info(8), {}, "2001-02-03T04:05:06Z", false}, state.history));

    EXPECT_THAT(info(folder / "a.h5"), AllOf(HasSubstr("feddip, lenet5 on fashion-mnist, seed 42"),
                                             HasSubstr("3 of 8, not complete"),
                                             HasSubstr("70.00 % final, 90.00 % best, 70.00 % mean"),
                                             HasSubstr("1.50 kB down, 3.00 MB up")));
}

TEST(info, summarizes_a_results_file_without_rounds) {
    const scratch_folder folder;
    replace_file(folder / "a.h5", encode_results({example_info(8), {}, "", false}, {}));
    EXPECT_THAT(info(folder / "a.h5"), HasSubstr("0 of 8"));
}

TEST(info, says_when_no_accuracy_was_measured) {
    const scratch_folder folder;
    fl::run_state state = example_state(1);
    state.history[0].test_accuracy = fl::not_measured;
    replace_file(folder / "a.h5", encode_results({example_info(8), {}, "", false}, state.history));
    EXPECT_THAT(info(folder / "a.h5"), HasSubstr("not measured final"));
}

TEST(info, leaves_out_times_that_are_not_told) {
    const scratch_folder folder;
    fl::run_state state = example_state(1);
    const auto with = [&](double seconds) {
        state.history[0].seconds_round = seconds;
        replace_file(folder / "a.h5", encode_results({example_info(8), {}, "", false}, state.history));
        return info(folder / "a.h5");
    };
    EXPECT_THAT(with(2.5), HasSubstr("time       2.5 s per round"));
    EXPECT_THAT(with(fl::not_measured), Not(AnyOf(HasSubstr("time"), HasSubstr("nan"))));
}

TEST(info, summarizes_a_checkpoint) {
    const scratch_folder folder;
    replace_file(folder / "a.ckpt-4.h5", encode_checkpoint(example_info(8).config_toml, example_state(4)));
    EXPECT_THAT(info(folder / "a.ckpt-4.h5"),
                AllOf(HasSubstr("checksum ok"), HasSubstr("feddip, lenet5 on fashion-mnist, seed 42"),
                      HasSubstr("4 of 8"), HasSubstr("1037 values, 200 of 1000 prunable weights alive")));
}

TEST(info, refuses_damaged_and_foreign_files) {
    const scratch_folder folder;
    testing::put(folder / "a.h5", "hello");
    EXPECT_THROW(info(folder / "a.h5"), error);
    EXPECT_THROW(info(folder / "none.h5"), error);
    std::vector<std::byte> bytes = encode_checkpoint("", example_state(2));
    bytes.back() ^= std::byte{1};
    replace_file(folder / "b.h5", bytes);
    EXPECT_THROW(info(folder / "b.h5"), error);
}

} // namespace
} // namespace feddip::io
