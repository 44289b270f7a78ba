#include "nn/models/resnet18.hpp"

#include <fmt/format.h>

namespace feddip::nn {

namespace {

void basic_block(model_spec& m, const std::string& name, int width, int stride, config::norm_kind norm) {
    const int input = m.last_value();
    m.convolution(name + ".conv1",
                  {.outputs = width, .kernel = 3, .stride = stride, .padding = 1, .bias = false});
    m.norm(name + ".bn1", norm);
    m.relu();
    m.convolution(name + ".conv2", {.outputs = width, .kernel = 3, .padding = 1, .bias = false});
    const int residual = m.norm(name + ".bn2", norm);
    if (m.shape(input) == m.shape(residual)) {
        m.add(input);
    } else {
        m.convolution(name + ".downsample.0",
                      {.outputs = width, .kernel = 1, .stride = stride, .bias = false}, input);
        m.norm(name + ".downsample.1", norm);
        m.add(residual);
    }
    m.relu();
}

} // namespace

model_spec resnet18(data::image_shape input, int classes, config::norm_kind norm) {
    model_spec m(input);
    m.convolution("conv1", {.outputs = 64, .kernel = 3, .padding = 1, .bias = false});
    m.norm("bn1", norm);
    m.relu();
    int width = 64;
    for (int stage = 1; stage <= 4; ++stage) {
        basic_block(m, fmt::format("layer{}.0", stage), width, stage == 1 ? 1 : 2, norm);
        basic_block(m, fmt::format("layer{}.1", stage), width, 1, norm);
        width *= 2;
    }
    m.global_average_pool();
    m.fully_connected("fc", classes);
    return m;
}

} // namespace feddip::nn
