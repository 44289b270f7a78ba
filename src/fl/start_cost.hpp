// What happens before the first round, and is charged to it.
#pragma once

#include "base/layout.hpp"
#include "fl/method.hpp"

#include <cstddef>
#include <cstdint>

namespace feddip::fl {

// Of the first client's look at its data.
struct start_cost {
    std::uint64_t bytes_down = 0, bytes_up = 0, positions = 0;
    double images = 0; // trained on, each as often as it was

    bool any() const { return bytes_up > 0; }
};

// Its bytes, with a mask of `alive` weights coded in `mask_bytes`.
start_cost cost_of(first_look look, const parameter_layout& layout, std::size_t alive,
                   std::uint64_t mask_bytes);

} // namespace feddip::fl
