// What all MPI code here stands on: starting and ending MPI, and errors.
#pragma once

#include <mpi.h>

#include <exception>
#include <string_view>

namespace feddip::comm {

// Throws feddip::error naming the call, the rank and MPI's own text unless `code` is MPI_SUCCESS.
void check(int code, std::string_view call);

// MPI from construction to destruction; make one, first thing in main. The thread level is
// MPI_THREAD_FUNNELED: only the thread that made it calls MPI. Errors are returned, not fatal, from then on.
class mpi_session {
public:
    mpi_session(int& argc, char**& argv);
    ~mpi_session();
    mpi_session(const mpi_session&) = delete;
    mpi_session& operator=(const mpi_session&) = delete;
};

// Ends all ranks. Call it after the message is written: what stdout and stderr hold is flushed first, as the
// launcher may kill this process within the call.
[[noreturn]] void abort_job(int exit_code);

// Tells a destructor whether an exception, thrown after this object was made, is what destroys it. Handles
// whose release is collective are then leaked: the other ranks don't come to the call, and the message would
// never be seen.
class unwinding_detector {
public:
    bool unwinding() const { return std::uncaught_exceptions() > at_birth_; }

private:
    int at_birth_ = std::uncaught_exceptions();
};

} // namespace feddip::comm
