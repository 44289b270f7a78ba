// A trained network as ONNX (onnx.ai), for other programs to run.
#pragma once

#include "base/layout.hpp"
#include "nn/models/model.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace feddip::io {

// Opset 13. Input "images", float N x C x H x W, normalized as in training; output "logits", float N x
// classes. Initializers have the parameters' names; dropout lets everything through. `notes` become the
// model's metadata. Throws error past 1 GiB; protobuf ends at 2.
std::vector<std::byte> encode_onnx(const nn::model_spec& model, const parameter_layout& layout,
                                   std::span<const float> state,
                                   const std::vector<std::pair<std::string, std::string>>& notes);

} // namespace feddip::io
