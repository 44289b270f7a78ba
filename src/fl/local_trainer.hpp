// Local training: what a client does with the model it receives.
#pragma once

#include "config/config.hpp"
#include "data/batches.hpp"
#include "data/dataset.hpp"
#include "data/drift.hpp"
#include "fl/method.hpp"
#include "fl/state.hpp"
#include "nn/network.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace feddip::fl {

// Trains one client after another on one network, whose memory and primitives they share.
class local_trainer {
public:
    // Clients see `data` as it is, or as it drifts.
    local_trainer(const config::run_config& config, const data::dataset& data, nn::network& network,
                  const data::drift* drift = nullptr);

    // Chooses a client's mask anew, where the plan has it readjusted in training.
    using mask_change = std::function<sparse::mask(const client_in_training&)>;

    // Local training of `client` on its `images` from the model w'_t, as `plan` says: E epochs of minibatch
    // SGD in which the passes see the weights through the client's mask. Work and result depend only on the
    // arguments, the seed and the config. `on_batch` is called after each minibatch. Returns the record of
    // it; weights() then holds what the client would send, and mask() the mask that it had in the end.
    client_record train(const global_model& model, const sparse::mask& mask, const round_plan& plan,
                        int client, std::span<const std::uint32_t> images,
                        const std::function<void()>& on_batch, const mask_change& readjusted = {});

    // layout().size() floats: the weights after training (all of them where the plan trains all, else those
    // in the mask with 0 elsewhere), then biases, norms and running statistics.
    std::span<const float> weights() const { return weights_; }

    const sparse::mask& mask() const { return mask_; }

    // Where the plan asks for them: of the last training, layout.prunable_size() floats; else empty.
    std::span<const float> squared_gradients() const { return squared_gradients_; }

    // d(mean cross-entropy)/d(state) of the client's first minibatch after a shuffle of its own, in training
    // mode: layout().trainable_size() floats, for the weights that are 0 as well. Leaves weights() alone.
    std::vector<float> gradient(std::span<const float> state, int round, int client,
                                std::span<const std::uint32_t> images);

    // Top-1 accuracy, in inference mode, on training images (at least one) as the client sees them in the
    // round. `state` is 0 outside the mask.
    double accuracy(std::span<const float> state, const sparse::mask& mask, int round, int client,
                    std::span<const std::uint32_t> images);

    // Minibatches in the local training of a client with so many images.
    int batches(std::size_t images) const;

private:
    void begin(const global_model& model, const sparse::mask& mask, const round_plan& plan);
    void see_through_mask(const round_plan& plan);
    bool readjusts_after(int batch, std::size_t images) const;
    void take_trained(const round_plan& plan);
    data::seen_images seen_by(int client, int round, std::span<const std::uint32_t> images) const;
    random_stream stream_of(int round, int client, purpose what) const;
    void step(const global_model& model, const round_plan& plan);

    const config::run_config* config_;
    const data::dataset* data_;
    const data::drift* drift_; // null: none
    nn::network* network_;
    sparse::mask mask_;
    std::vector<float> weights_, squared_gradients_;
};

} // namespace feddip::fl
