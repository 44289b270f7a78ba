#define FEDDIP_VECTOR_WIDTH 4
#define FEDDIP_VECTOR_REGISTERS 16
#include "sparse/kernels/kernel_body.hpp"

namespace feddip::sparse::kernels {

const kernel_table& plain_kernels() {
    return table;
}

} // namespace feddip::sparse::kernels
