#define FEDDIP_VECTOR_WIDTH 8
#define FEDDIP_VECTOR_REGISTERS 16
#include "sparse/kernels/kernel_body.hpp"
#include "sparse/kernels/layer_body.hpp"

namespace feddip::sparse::kernels {

const kernel_table& avx2_kernels() {
    return table;
}
const layer_table& avx2_layers() {
    return layers;
}

} // namespace feddip::sparse::kernels
