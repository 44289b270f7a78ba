// What the layers share.
#pragma once

#include "sparse/kernels/table.hpp"

#include <cstddef>

namespace feddip::sparse::kernels {

// Sums over tensor[blocks][channels][pixels][16], one per channel, of the channels [first, last): a block at
// a time, in order. Null sums are not wanted.
struct channel_sums {
    float* sums;
    int pixels;

    void clear(int first, int last) const;
    void add(const kernel_table& kernels, const float* block, int first, int last) const;
};

int this_thread(); // of the innermost OpenMP team

} // namespace feddip::sparse::kernels
