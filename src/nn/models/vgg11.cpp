#include "nn/models/vgg11.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

namespace feddip::nn {

// Layers are named as torchvision's, which the authors take; ReLUs, poolings and dropouts count among them.
model_spec vgg11(data::image_shape input, int classes, float dropout) {
    model_spec m(input);
    int place = 0;
    for (const std::vector<int>& stage :
         std::vector<std::vector<int>>{{64}, {128}, {256, 256}, {512, 512}, {512, 512}}) {
        for (const int width : stage) {
            m.convolution(fmt::format("features.{}", place), {.outputs = width, .kernel = 3, .padding = 1});
            m.relu();
            place += 2;
        }
        m.max_pool(2);
        ++place;
    }
    // The one pixel that is left stands for the 49 equal ones that adaptive average pooling to 7x7 makes of
    // it.
    if (m.shape(m.last_value()) != data::image_shape{512, 1, 1}) {
        throw input_error("can't build VGG-11", "input shape",
                          "images must be 32 to 63 pixels high and as many wide");
    }
    m.fully_connected("classifier.0", 4096);
    m.relu();
    m.dropout(dropout);
    m.fully_connected("classifier.3", 4096);
    m.relu();
    m.dropout(dropout);
    m.fully_connected("classifier.6", classes);
    return m;
}

} // namespace feddip::nn
