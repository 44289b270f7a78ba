// The last rank fails while the others wait for it. The job has to end, with the rank's message and exit code
// 1: `dying_rank abort` ends it as main does, `dying_rank unwind` by leaving with the exception in flight.
#include "base/error.hpp"
#include "comm/communicator.hpp"
#include "comm/shared_buffer.hpp"

#include <iostream>
#include <string_view>

namespace {

using namespace feddip;

void fail_on_last_rank() {
    auto c = comm::communicator::world();
    comm::shared_buffer buffer(c, 1024);
    if (c.rank() == c.size() - 1) {
        throw error("a test has failed", "last rank", "it was told to");
    }
    buffer.publish();
    c.barrier();
}

int report(const std::exception& e) {
    std::cerr << "feddip: error: " << e.what() << '\n';
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "abort") {
        comm::mpi_session session(argc, argv);
        try {
            fail_on_last_rank();
        } catch (const std::exception& e) {
            comm::abort_job(report(e));
        }
        return 0;
    }
    try {
        comm::mpi_session session(argc, argv);
        fail_on_last_rank();
    } catch (const std::exception& e) {
        return report(e);
    }
    return 0;
}
