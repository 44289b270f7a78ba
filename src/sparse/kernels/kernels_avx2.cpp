#define FEDDIP_VECTOR_WIDTH 8
#define FEDDIP_VECTOR_REGISTERS 16
#include "sparse/kernels/kernel_body.hpp"

namespace feddip::sparse::kernels {

const kernel_table& avx2_kernels() {
    return table;
}

} // namespace feddip::sparse::kernels
