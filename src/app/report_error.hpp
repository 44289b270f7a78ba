// How the program ends when something went wrong.
#pragma once

#include "app/exit_code.hpp"

#include <exception>
#include <string>

namespace feddip::app {

struct failure {
    exit_code code;
    std::string reason; // "WHAT (WHERE): WHY", one line
};

// `problem` must not be null.
failure describe(const std::exception_ptr& problem);

// One line on stderr: `feddip: error: REASON`.
void print_error(const std::string& reason);

// This process's rank as its launcher (mpirun, srun) told it through the environment; 0 when started alone.
int launched_rank();

// print_error for what goes wrong before MPI runs, which every rank meets: rank 0 says it for all. mpirun ends all ranks
// with the first that fails, so the others give rank 0 three seconds.
void print_error_once(const std::string& reason);

} // namespace feddip::app
