#pragma once

#include "nn/models/model.hpp"

namespace feddip::nn {

model_spec vgg11(data::image_shape input, int classes, float dropout = 0.5F);

} // namespace feddip::nn
