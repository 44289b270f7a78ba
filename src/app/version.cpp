#include "comm/version.hpp"

#include "app/build_info.hpp"
#include "app/commands.hpp"
#include "app/commit.hpp"
#include "hdf5/version.hpp"
#include "nn/version.hpp"

#include <fmt/format.h>

namespace feddip::app {

exit_code version() {
    fmt::print("feddip {}\n"
               "commit           {}\n"
               "compiler         {} ({})\n"
               "MPI              {}\n"
               "networks         {}\n"
               "files            {}\n"
               "instruction set  {}\n",
               program_version, git_commit, compiler, build_type, comm::library_version(),
               nn::library_version(), h5::library_version(), nn::instruction_set());
    return exit_code::done;
}

} // namespace feddip::app
