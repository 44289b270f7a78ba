// What a method learns from one client's data before the first round.
#pragma once

#include "fl/client.hpp"
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

    // Trains all weights of `state` as a round of `plan` would. Returns the mean squared gradients of the
    // prunable ones.
    std::vector<float> train(const round_plan& plan, std::span<float> state);

private:
    local_trainer* trainer_;
    const parameter_layout* layout_;
    std::span<const std::uint32_t> images_;
};

// What the look costs the client, with a mask of `alive` weights coded in `mask_bytes`.
struct start_cost {
    std::uint64_t bytes_down = 0, bytes_up = 0, positions = 0;
};
start_cost cost_of(first_look look, const parameter_layout& layout, std::size_t alive,
                   std::uint64_t mask_bytes);

} // namespace feddip::fl
