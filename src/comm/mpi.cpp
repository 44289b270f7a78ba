#include "comm/mpi.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

namespace feddip::comm {

namespace {

std::string this_rank() {
    int started = 0;
    int rank = 0;
    if (MPI_Initialized(&started) != MPI_SUCCESS || started == 0 ||
        MPI_Comm_rank(MPI_COMM_WORLD, &rank) != MPI_SUCCESS) {
        return "before MPI started";
    }
    return fmt::format("rank {}", rank);
}

std::string text_of(int code) {
    std::string text(MPI_MAX_ERROR_STRING, '\0');
    int length = 0;
    if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) {
        return fmt::format("MPI error {}", code);
    }
    text.resize(static_cast<std::size_t>(length));
    return text;
}

bool finalized() {
    int done = 0;
    return MPI_Finalized(&done) == MPI_SUCCESS && done != 0;
}

} // namespace

void check(int code, std::string_view call) {
    if (code != MPI_SUCCESS) {
        throw error(fmt::format("{} failed", call), this_rank(), text_of(code));
    }
}

mpi_session::mpi_session(int& argc, char**& argv) {
    int provided = MPI_THREAD_SINGLE;
    check(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
    if (provided < MPI_THREAD_FUNNELED) {
        throw error(
            "MPI can't be used", this_rank(),
            "it does not allow threads beside the one that calls it; use a build with MPI_THREAD_FUNNELED");
    }
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

mpi_session::~mpi_session() {
    // MPI_Finalize waits for all ranks. While an exception unwinds, the others still expect messages of this
    // rank: it would hang instead of dying with its message, and the launcher would not end the job.
    if (std::uncaught_exceptions() == 0 && !finalized() && MPI_Finalize() != MPI_SUCCESS) {
        std::cerr << "feddip: warning: MPI_Finalize failed\n";
    }
}

void abort_job(int exit_code) {
    std::cout.flush();
    std::cerr.flush();
    std::fflush(nullptr);
    int started = 0;
    if (MPI_Initialized(&started) == MPI_SUCCESS && started != 0 && !finalized()) {
        MPI_Abort(MPI_COMM_WORLD, exit_code);
    }
    std::_Exit(exit_code);
}

} // namespace feddip::comm
