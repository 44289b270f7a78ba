// Runs the tests on every rank: rank 0 prints as usual, the others only their failures, and all ranks end
// with the worst exit code of any.
#include "comm/mpi.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

namespace {

class failure_printer : public testing::EmptyTestEventListener {
public:
    explicit failure_printer(int rank) : rank_(rank) {}

private:
    void OnTestPartResult(const testing::TestPartResult& result) override {
        if (result.failed()) {
            fmt::print("rank {}: {}:{}: {}\n", rank_, result.file_name() ? result.file_name() : "?",
                       result.line_number(), result.message());
            std::fflush(stdout);
        }
    }

    int rank_;
};

} // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    feddip::comm::mpi_session session(argc, argv);
    int rank = 0;
    feddip::comm::check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    if (rank != 0) {
        delete listeners.Release(listeners.default_result_printer());
        listeners.Append(new failure_printer(rank)); // owned by the list
    }
    int code = RUN_ALL_TESTS();
    feddip::comm::check(MPI_Allreduce(MPI_IN_PLACE, &code, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD),
                        "MPI_Allreduce");
    return code;
}
