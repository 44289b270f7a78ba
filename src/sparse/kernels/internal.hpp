// What the layers share.
#pragma once

#include "sparse/kernels/table.hpp"

namespace feddip::sparse::kernels {

// sums[c] = sum of tensor[blocks][channels][pixels][16] over all but the channels.
void sum_channels(const kernel_table& kernels, const float* tensor, int blocks, int channels, int pixels,
                  float* sums);

int this_thread(); // of the innermost OpenMP team

} // namespace feddip::sparse::kernels
