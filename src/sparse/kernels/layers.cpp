#include "sparse/kernels/layers.hpp"

#include <omp.h>

#include <algorithm>

namespace feddip::sparse::kernels {

int this_thread() {
    return omp_get_thread_num();
}

void sum_channels(const kernel_table& kernels, const float* tensor, int blocks, int channels, int pixels,
                  float* sums) {
    std::fill_n(sums, channels, 0.0F);
    for (int block = 0; block < blocks; ++block) {
        for (int channel = 0; channel < channels; ++channel) {
            const float* from = tensor + (std::ptrdiff_t{1} * block * channels + channel) * pixels * lanes;
            sums[channel] += kernels.sum(from, std::ptrdiff_t{1} * pixels * lanes);
        }
    }
}

} // namespace feddip::sparse::kernels
