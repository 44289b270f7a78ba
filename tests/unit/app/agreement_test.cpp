#include "app/agreement.hpp"
#include "base/error.hpp"
#include "fl/in_process_transport.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace feddip::app {
namespace {

TEST(Agreement, AStepThatSucceedsIsDoneOnceAndSilently) {
    fl::in_process_transport alone;
    int done = 0;
    ::testing::internal::CaptureStderr();
    together(alone, [&] { ++done; });
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
    EXPECT_EQ(done, 1);
}

TEST(Agreement, AStepThatFailsEndsWithItsReasonAndItsExitCode) {
    fl::in_process_transport alone;
    const auto code_of = [&](const std::function<void()>& step) -> int {
        try {
            together(alone, step);
        } catch (const ended_together& end) {
            return end.code;
        }
        return -1;
    };
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(code_of([] { throw input_error("what", "where", "why"); }), 2);
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "feddip: error: what (where): why\n");
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(code_of([] { throw std::runtime_error("why"); }), 1);
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "feddip: error: unexpected failure (feddip): why\n");
}

} // namespace
} // namespace feddip::app
