// Tensors in blocks of 16 images, the layout of the sparse kernels (sparse/kernels/kernels.hpp): always with
// four dimensions, {images, channels, height, width}, where a vector of n is n x 1 x 1.
#pragma once

#include "nn/plan.hpp"
#include "sparse/kernels/kernels.hpp"

namespace feddip::nn {

dnnl::memory::desc blocked(const dnnl::memory::dims& dims);
// `t` in blocks; a matrix becomes images of one pixel.
tensor in_blocks(plan_builder& plan, tensor t);
// Blocked images as vectors: {images, channels * height * width, 1, 1}.
tensor flattened(plan_builder& plan, const tensor& blocked_images);

bool is_plain(const dnnl::memory::desc& d);
bool is_blocked(const dnnl::memory::desc& d);

// How kernels run: the best instruction set, and as many threads as OpenMP uses.
sparse::kernels::execution kernel_execution();

} // namespace feddip::nn
