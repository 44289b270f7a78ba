// Rules that make w_{t+1} = w'_t + sum over u of coefficient[u] update[u], and choose the coefficients by how
// the updates lie to one another. A weight that a client did not send it leaves as it was: it moves neither
// the distances nor the sum; what becomes of one that none with a coefficient above 0 sent: unsent(),
// slices.hpp. Each client counts once, whatever its samples. Squared gradients, which are no change of
// anything, become their median.
#pragma once

#include "fl/aggregation/aggregation.hpp"
#include "fl/aggregation/gram.hpp"
#include "fl/aggregation/resistance.hpp"

#include <functional>
#include <vector>

namespace feddip::fl {

// [updates] coefficients, at least 0, not all 0, where `hostile` updates may be. An update with 0 counts as
// left out.
using coefficient_rule = std::function<std::vector<double>(const gram&, int hostile)>;

// With too few updates the model is kept, and the rule isn't asked.
std::unique_ptr<aggregation_rule> make_combination(coefficient_rule rule, resistance needed);

// The lower of the two in the middle, where there are two. Of `norms`, at least one.
double lower_median(std::vector<double> norms);

} // namespace feddip::fl
