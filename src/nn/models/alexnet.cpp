#include "nn/models/alexnet.hpp"

#include "base/error.hpp"

namespace feddip::nn {

model_spec alexnet(data::image_shape input, int classes, float dropout) {
    model_spec m(input);
    m.convolution("conv1", {.outputs = 64, .kernel = 3, .stride = 2, .padding = 1});
    m.relu();
    m.max_pool(2);
    m.convolution("conv2", {.outputs = 192, .kernel = 3, .padding = 1});
    m.relu();
    m.max_pool(2);
    m.convolution("conv3", {.outputs = 384, .kernel = 3, .padding = 1});
    m.relu();
    m.convolution("conv4", {.outputs = 256, .kernel = 3, .padding = 1});
    m.relu();
    m.convolution("conv5", {.outputs = 256, .kernel = 3, .padding = 1});
    m.relu();
    m.max_pool(2);
    // The authors' adaptive average pooling to 2x2 is the identity on a 2x2 map.
    if (m.shape(m.last_value()) != data::image_shape{256, 2, 2}) {
        throw input_error("can't build AlexNet", "input shape",
                          "images must be 31 to 46 pixels high and as many wide");
    }
    m.dropout(dropout);
    m.fully_connected("fc1", 4096);
    m.relu();
    m.dropout(dropout);
    m.fully_connected("fc2", 4096);
    m.relu();
    m.fully_connected("fc3", classes);
    return m;
}

} // namespace feddip::nn
