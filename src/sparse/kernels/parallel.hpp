// Loops over the threads of one call.
#pragma once

#include "sparse/kernels/kernels.hpp"

#include <algorithm>

namespace feddip::sparse::kernels {

// Calls f(i) for i = 0 .. count - 1, on how.threads threads.
template <typename F>
void for_each(int count, const execution& how, F&& f) {
#pragma omp parallel for schedule(static) num_threads(std::max(1, how.threads)) if (how.threads > 1)
    for (int i = 0; i < count; ++i) {
        f(i);
    }
}

} // namespace feddip::sparse::kernels
