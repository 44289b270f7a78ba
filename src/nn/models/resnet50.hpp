#pragma once

#include "nn/models/model.hpp"

namespace feddip::nn {

model_spec resnet50(data::image_shape input, int classes, config::norm_kind norm = config::norm_kind::batch);

} // namespace feddip::nn
