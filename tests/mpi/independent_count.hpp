// A second opinion on traffic: what MPI itself is handed, counted at its profiling interface.
#pragma once

#include <cstdint>

namespace feddip::test {

// Bytes in send buffers given to MPI by this process so far, by whatever code.
std::uint64_t bytes_handed_to_mpi();

} // namespace feddip::test
