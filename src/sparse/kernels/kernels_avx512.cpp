#define FEDDIP_VECTOR_WIDTH 16
#define FEDDIP_VECTOR_REGISTERS 32
#include "sparse/kernels/kernel_body.hpp"

namespace feddip::sparse::kernels {

const kernel_table& avx512_kernels() {
    return table;
}

} // namespace feddip::sparse::kernels
