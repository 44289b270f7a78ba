// Minibatch SGD with weight decay and FedDIP's regularizer.
#pragma once

#include "base/layout.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <span>

namespace feddip::nn {

struct sgd_settings {
    float learning_rate;
    float weight_decay;
    float regularization;     // lambda_t: times the sum over prunable tensors of ||(w * m)||_2, not squared
    bool spares_ends = false; // the first and the last prunable tensor are then left out of this sum
};

// Whether the regularizer acts on a tensor of the layout.
bool regularizes(const sgd_settings& settings, const parameter_layout& layout, const parameter& tensor);

// One step (Long et al. 2023, algorithm 1; dynamic pruning with feedback, Lin et al. 2020):
//   g   = gradients + regularization * v_l / ||v_l||_2   for each tensor l that it acts on, v = w * m;
//         0 where ||v_l|| = 0
//   w  <- w - learning_rate (g + weight_decay w)
// `dense` holds all weights w, `pruned` is v = w * m as the network saw it, and is brought up to date.
// All spans are of layout.trainable_size() floats (weights, then the dense rest). A null mask means all
// alive.
void sgd_step_dense(const parameter_layout& layout, const sgd_settings& settings, const sparse::mask* m,
                    std::span<const float> gradients, std::span<float> dense, std::span<float> pruned);

// The same step for the alive weights only: `pruned` is both read and written, pruned weights stay 0. The
// bits of the alive weights are those that sgd_step_dense gives them.
void sgd_step_on_mask(const parameter_layout& layout, const sgd_settings& settings, const sparse::mask& m,
                      std::span<const float> gradients, std::span<float> pruned);

// That of one tensor of the layout alone, prunable or not.
void sgd_step_on_mask(const parameter_layout& layout, const parameter& tensor, const sgd_settings& settings,
                      const sparse::mask& m, const float* gradients, float* pruned);

// The same step for the `n` weights of one tensor that are all alive, or that are all its alive ones.
void sgd_step_tensor(const sgd_settings& settings, bool regularized, const float* gradients, float* weights,
                     std::size_t n);

// values += factor * direction, of equal size.
void add_scaled(float factor, std::span<const float> direction, std::span<float> values);

} // namespace feddip::nn
