#pragma once

#include "config/config.hpp"
#include "nn/models/model.hpp"

#include <vector>

namespace feddip::nn {

// The layers of a config, in their order. Throws input_error that names the layer where shapes don't fit, a
// name is unknown or taken, or an output is never read.
model_spec custom(const std::vector<config::layer_section>& layers, data::image_shape input, int classes);

} // namespace feddip::nn
