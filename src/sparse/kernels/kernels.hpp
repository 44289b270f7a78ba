// Compute for unstructured sparse layers on the CPU, f32, all three passes, and the layers between them.
//
// Layout: activations lie in blocks of 16 samples, samples innermost: a tensor [N][C][H][W] is stored as
// [blocks][C][H][W][16], blocks = blocks_of(N). One vector holds one pixel of 16 samples, so that every inner
// loop is a broadcast weight times contiguous vectors, whatever the mask looks like. Lanes past N (the
// padding of the last block) must be zero in every gradient; in activations they may hold anything finite.
// Weights and their gradients are the alive ones alone, packed in mask order (oihw, oi); biases are plain.
// Activations are aligned to `alignment` bytes; weights and biases need no alignment.
//
// A layer object compiles one mask into the order in which its kernels walk the alive weights; after that no
// call allocates. A result depends on the inputs and the instruction set alone, not on the number of threads.
#pragma once

#include "sparse/mask.hpp"

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace feddip::sparse::kernels {

inline constexpr int lanes = 16;             // samples per block
inline constexpr std::size_t alignment = 64; // bytes, of activations

constexpr int blocks_of(int samples) {
    return (samples + lanes - 1) / lanes;
}

enum class instruction_set { plain, avx2, avx512 };
std::string_view name_of(instruction_set set);
// Those that this CPU has, ascending: `plain` always.
std::vector<instruction_set> available_instruction_sets();
instruction_set best_instruction_set();

struct execution {
    instruction_set instructions = best_instruction_set();
    int threads = 1;
};

// Square kernel up to 5x5, the same stride and zero padding in both directions.
struct convolution_shape {
    int in_channels;
    int out_channels;
    int height; // of the input
    int width;
    int kernel;
    int stride = 1;
    int padding = 0;

    int out_height() const { return (height + 2 * padding - kernel) / stride + 1; }
    int out_width() const { return (width + 2 * padding - kernel) / stride + 1; }
    // Multiplications and additions of one dense pass over one sample, zero padding included.
    double flops() const {
        return 2.0 * in_channels * out_channels * kernel * kernel * out_height() * out_width();
    }
};

class sparse_convolution {
public:
    // The alive weights are bits first_bit .. first_bit + out_channels * in_channels * kernel^2 - 1 of `m`,
    // oihw. Throws feddip::error for a shape that the kernels do not cover.
    sparse_convolution(const convolution_shape& shape, const mask& m, std::size_t first_bit,
                       const execution& how = {});
    ~sparse_convolution();
    sparse_convolution(sparse_convolution&&) noexcept;
    sparse_convolution& operator=(sparse_convolution&&) noexcept;

    const convolution_shape& shape() const;
    std::size_t alive() const;

    // Takes over the alive weights, packed in mask order; to be called whenever they have changed.
    // `for_backward_input` = false leaves out what only backward_input reads (inference, first layer).
    // Packed, since where few are alive, walking the whole tensor costs more than the arithmetic.
    void load_weights(const float* alive_values, bool for_backward_input = true);

    // output[blocks][out_channels][out_height][out_width][16] = weights * input + bias, then max(0, .) with
    // `relu`. input[blocks][in_channels][height][width][16]; `bias` may be null.
    void forward(const float* input, const float* bias, float* output, int blocks, bool relu = false);

    // input_gradient, of the input's shape, is overwritten.
    void backward_input(const float* output_gradient, float* input_gradient, int blocks);

    // Overwrites the gradients of the alive weights, packed in mask order. `bias_gradient` (out_channels
    // floats, overwritten) may be null.
    void backward_weights(const float* input, const float* output_gradient, float* alive_gradient,
                          float* bias_gradient, int blocks);

private:
    struct implementation;
    std::unique_ptr<implementation> impl_;
};

// The above for a fully connected layer: weights oi, activations [blocks][features][16].
class sparse_linear {
public:
    sparse_linear(int in_features, int out_features, const mask& m, std::size_t first_bit, int max_blocks,
                  const execution& how = {});
    ~sparse_linear();
    sparse_linear(sparse_linear&&) noexcept;
    sparse_linear& operator=(sparse_linear&&) noexcept;

    std::size_t alive() const;
    void load_weights(const float* alive_values, bool for_backward_input = true);
    void forward(const float* input, const float* bias, float* output, int blocks, bool relu = false);
    void backward_input(const float* output_gradient, float* input_gradient, int blocks);
    void backward_weights(const float* input, const float* output_gradient, float* alive_gradient,
                          float* bias_gradient, int blocks);

private:
    struct implementation;
    std::unique_ptr<implementation> impl_;
};

} // namespace feddip::sparse::kernels
