// What a method learns from one client's data before the first round.
#pragma once

#include "fl/local_trainer.hpp"
#include "fl/method.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace feddip::fl {

class first_client {
public:
    static constexpr int id = 0;

    // `images` are those of the client.
    first_client(local_trainer& trainer, const parameter_layout& layout,
                 std::span<const std::uint32_t> images)
        : trainer_(&trainer), layout_(&layout), images_(images) {}

    const parameter_layout& layout() const { return *layout_; }

    // d(loss)/d(state) of one minibatch, layout().trainable_size() floats.
    std::vector<float> gradient(std::span<const float> state);

    // Trains the weights of `state` in the mask as a round of `plan` would; the others become 0. Returns the
    // mean squared gradients of all prunable ones.
    std::vector<float> train(const round_plan& plan, const sparse::mask& mask, std::span<float> state);

    // Images that it has trained on or taken a gradient of, each as often as it was.
    double images_trained(const config::federation_section& federation) const;

    // Top-1 accuracy on the client's images, for which no test images are at hand.
    double accuracy(const sparse::mask& mask, std::span<const float> state);

private:
    local_trainer* trainer_;
    const parameter_layout* layout_;
    std::span<const std::uint32_t> images_;
    int trainings_ = 0, gradients_ = 0;
};

} // namespace feddip::fl
