#include "nn/models/lenet5.hpp"

namespace feddip::nn {

model_spec lenet5(data::image_shape input, int classes) {
    model_spec m(input);
    m.convolution("conv1", {.outputs = 6, .kernel = 5, .padding = 2});
    m.relu();
    m.max_pool(2);
    m.convolution("conv2", {.outputs = 16, .kernel = 5});
    m.relu();
    m.max_pool(2);
    m.fully_connected("fc1", 120);
    m.relu();
    m.fully_connected("fc2", 84);
    m.relu();
    m.fully_connected("fc3", classes);
    return m;
}

} // namespace feddip::nn
