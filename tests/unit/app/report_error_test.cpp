#include "app/report_error.hpp"
#include "base/error.hpp"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace feddip::app {
namespace {

template <typename E>
failure described(const E& problem) {
    return describe(std::make_exception_ptr(problem));
}

TEST(ReportError, InputErrorsEndWithTwoAndAllOthersWithOne) {
    EXPECT_EQ(described(input_error("what", "where", "why")).code, 2);
    EXPECT_EQ(described(error("what", "where", "why")).code, 1);
    EXPECT_EQ(described(std::bad_alloc()).code, 1);
    EXPECT_EQ(described(std::runtime_error("why")).code, 1);
    EXPECT_EQ(described(42).code, 1);
}

TEST(ReportError, EveryReasonHasTheOneForm) {
    EXPECT_EQ(described(error("what", "where", "why")).reason, "what (where): why");
    EXPECT_EQ(described(std::runtime_error("why")).reason, "unexpected failure (feddip): why");
}

TEST(ReportError, AnErrorIsOneLineEvenWhenItsTextIsNot) {
    ::testing::internal::CaptureStderr();
    print_error("what (where): why\nand more");
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "feddip: error: what (where): why and more\n");
}

} // namespace
} // namespace feddip::app
