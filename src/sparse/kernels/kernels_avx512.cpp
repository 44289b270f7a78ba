#define FEDDIP_VECTOR_WIDTH 16
#define FEDDIP_VECTOR_REGISTERS 32
#include "sparse/kernels/kernel_body.hpp"
#include "sparse/kernels/layer_body.hpp"

namespace feddip::sparse::kernels {

const kernel_table& avx512_kernels() {
    return table;
}
const layer_table& avx512_layers() {
    return layers;
}

} // namespace feddip::sparse::kernels
