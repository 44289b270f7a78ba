#include "nn/models/registry.hpp"

#include "base/error.hpp"
#include "nn/models/alexnet.hpp"
#include "nn/models/custom.hpp"
#include "nn/models/lenet5.hpp"
#include "nn/models/resnet18.hpp"
#include "nn/models/resnet50.hpp"
#include "nn/models/vgg11.hpp"

namespace feddip::nn {

model_spec model_of(const config::model_section& model, data::image_shape input, int classes) {
    switch (model.name) {
    case config::model_name::lenet5:
        return lenet5(input, classes);
    case config::model_name::alexnet:
        return alexnet(input, classes);
    case config::model_name::vgg11:
        return vgg11(input, classes);
    case config::model_name::resnet18:
        return resnet18(input, classes, model.norm);
    case config::model_name::resnet50:
        return resnet50(input, classes, model.norm);
    case config::model_name::custom:
        return custom(model.layers, input, classes);
    }
    throw error("can't build the network", "model.name", "there is no such model");
}

} // namespace feddip::nn
