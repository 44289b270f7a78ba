// The models that a config can name.
#pragma once

#include "config/config.hpp"
#include "nn/models/model.hpp"

namespace feddip::nn {

// Throws input_error where the model doesn't take such images.
model_spec model_of(const config::model_section& model, data::image_shape input, int classes);

} // namespace feddip::nn
