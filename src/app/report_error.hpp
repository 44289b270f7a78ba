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
// For what goes wrong before MPI runs: every rank meets it, one should say it.
int launched_rank();

} // namespace feddip::app
