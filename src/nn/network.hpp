// A convolutional network, trained with oneDNN or with the sparse kernels. One object holds the parameters,
// the gradients and what the passes need, which is made once per batch size and mask and reused.
#pragma once

#include "base/layout.hpp"
#include "base/random.hpp"
#include "config/config.hpp"
#include "data/batches.hpp"
#include "sparse/mask.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace feddip::nn {

class model_spec;
struct sgd_settings;

struct network_options {
    config::model_section model = {};
    data::image_shape input{1, 28, 28};
    int classes = 10;
    int max_batch = 128;                                          // larger batches are refused
    config::kernel_kind kernels = config::kernel_kind::automatic; // see network::use_mask
    // Of what oneDNN multiplies; sums, weights and the sparse kernels are f32. bf16 needs
    // can_multiply_bf16().
    config::precision_kind precision = config::precision_kind::f32;
};

// Sums over the images of one batch.
struct batch_score {
    double loss = 0; // of cross-entropy, natural logarithm
    int correct = 0;
    int correct_top5 = 0;
};

// Which weight gradients are wanted: of all weights, or of those in the mask (the others may then hold
// anything).
enum class gradient_scope { all, on_mask };

enum class kernel_path { dense, sparse };

class network {
public:
    // Throws input_error for a precision that this machine has no instructions for.
    explicit network(const network_options& options);
    // Any model (nn/models/model.hpp).
    network(const model_spec& model, int max_batch, config::kernel_kind kernels = config::kernel_kind::dense,
            config::precision_kind precision = config::precision_kind::f32);
    ~network();
    network(network&&) noexcept;
    network& operator=(network&&) noexcept;

    const parameter_layout& layout() const;

    // The weights that the passes see, layout().size() floats in layout order, to be read and written until
    // the next call of another function; then to be asked for again. Training steps update the running
    // statistics at its end.
    std::span<float> state();
    // layout().trainable_size() floats: d(mean cross-entropy over the batch)/d(state). To be asked for again
    // after each training step.
    std::span<const float> gradients() const;

    // The structure of the weights from here on: state() is zero where the mask says pruned. A null mask, as
    // before the first call, means dense. Chooses kernels (nn/kernel_choice.hpp) and makes what they need, or
    // goes on with what it has made for an equal mask; the mask is copied. Kernels are oneDNN's with
    // kernel_kind::dense; with kernel_kind::sparse they are the sparse ones wherever there is a mask.
    // Gradients of all weights beside a mask are oneDNN's where it is faster, the rest of such a step is
    // sparse.
    void use_mask(const sparse::mask* m, gradient_scope scope);
    // What use_mask has chosen: sparse where sparse kernels compute all layers that have such, or all from
    // one of them on.
    kernel_path path() const;

    // Forward and backward on one minibatch in training mode; sets gradients(). Dropout draws from `dropout`.
    batch_score train(const data::batch& b, random_stream& dropout);

    // sgd_step_on_mask (nn/sgd.hpp) on state() with gradients(). `m` is the mask in use, or all alive where
    // none is. Faster where the sparse kernels are in use, for then neither is written out.
    void step_on_mask(const sgd_settings& settings, const sparse::mask& m);

    // Forward only, in inference mode. `correct`, when not empty, has b.size() bytes: 1 where top-1 is right.
    batch_score evaluate(const data::batch& b, std::span<std::uint8_t> correct = {});

private:
    struct implementation;
    std::unique_ptr<implementation> impl_;
};

// The layout alone, without building a network.
parameter_layout layout_of(const config::model_section& model, data::image_shape input, int classes);

// How often each weight of a prunable tensor is used in the forward pass of one image: at every output pixel
// of a convolution, once in a fully connected layer. One number per tensor, in layout order.
std::vector<double> uses_per_weight(const config::model_section& model, data::image_shape input, int classes);

} // namespace feddip::nn
