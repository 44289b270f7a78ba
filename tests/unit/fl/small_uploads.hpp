// Two clients' weights of a tiny model, and what they would send of it.
#pragma once

#include "fl/upload.hpp"
#include "unit/fl/masks.hpp"

#include <cstdint>
#include <vector>

namespace feddip::test {

inline const parameter_layout tiny_layout({{"a.weight", role::weight, {2, 2}, 0, 0, 2},
                                           {"a.bias", role::bias, {1}, 0, 0, 2}});
inline const std::vector<float> weights_a{1, -2, 3, 0.5F, 10};
inline const std::vector<float> weights_b{4, 1, -2, 8, 20};

inline fl::global_model model_of_first_two() {
    return {.state = {1.25F, 2, 0, 0, 5}, .mask = mask_of({1, 1, 0, 0}), .mask_version = 1};
}

inline fl::round_plan sending(fl::upload_content content,
                              config::value_kind values = config::value_kind::f32) {
    fl::round_plan plan;
    plan.target_sparsity = 0.5;
    plan.upload = content;
    plan.values = values;
    return plan;
}

inline fl::client_record client_with(std::uint32_t samples) {
    fl::client_record record;
    record.samples = samples;
    return record;
}

} // namespace feddip::test
