// Rules that look at each coordinate by itself. A client that did not send a weight has no say in it, for
// absent is no zero.
#pragma once

#include "fl/aggregation/aggregation.hpp"
#include "fl/aggregation/resistance.hpp"

#include <functional>
#include <span>

namespace feddip::fl {

// What becomes of a coordinate for which these values were sent, at least one, which it may reorder; `kept`
// is what the model that the clients were sent has there, `hostile` how many clients of the round may be.
using coordinate_rule = std::function<float(std::span<float> values, float kept, int hostile)>;

// Of an even number the mean of the two in the middle. Reorders the values, of which there is at least one.
float median_of(std::span<float> values);

// A weight that nobody sent keeps its value.
std::unique_ptr<aggregation_rule> make_coordinate_wise(coordinate_rule rule, resistance needed);

} // namespace feddip::fl
