#include "nn/blocks.hpp"

#include <omp.h>

namespace feddip::nn {

using dnnl::memory;

memory::desc blocked(const memory::dims& dims) {
    return {dims, memory::data_type::f32, memory::format_tag::Abcd16a};
}

tensor in_blocks(plan_builder& plan, tensor t) {
    memory::dims dims = t.desc().dims();
    dims.resize(4, 1);
    return plan.in_layout(std::move(t), blocked(dims));
}

tensor flattened(plan_builder& plan, const tensor& blocked_images) {
    const memory::dims d = blocked_images.desc().dims();
    if (d[2] * d[3] == 1) {
        return blocked_images;
    }
    return plan.view(blocked_images, blocked({d[0], d[1] * d[2] * d[3], 1, 1}));
}

bool is_plain(const memory::desc& d) {
    return same_layout(d, plain(d.dims()));
}

bool is_blocked(const memory::desc& d) {
    return d.dims().size() == 4 && d == blocked(d.dims());
}

sparse::kernels::execution kernel_execution() {
    return {.instructions = sparse::kernels::best_instruction_set(), .threads = omp_get_max_threads()};
}

} // namespace feddip::nn
