#include "comm/version.hpp"

#include "comm/mpi.hpp"

#include <array>
#include <string_view>

namespace feddip::comm {

std::string library_version() {
    std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
    int length = 0;
    check(MPI_Get_library_version(text.data(), &length), "MPI_Get_library_version");
    const std::string_view all(text.data(), static_cast<std::size_t>(length));
    // Implementations go on with who built them and where, after a comma or on further lines.
    return std::string(all.substr(0, all.find_first_of(",\n")));
}

} // namespace feddip::comm
