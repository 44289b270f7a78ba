#include "nn/kernel_choice.hpp"

#include "nn/sparse_layers.hpp"

namespace feddip::nn {

std::vector<layer_work> work_of(const std::vector<fused_layer>& layers, data::image_shape input,
                                const parameter_layout& layout, const sparse::mask* mask) {
    std::vector<layer_work> work;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const layer_spec& spec = layers[i].spec;
        if (!has_sparse_kernels(spec)) {
            continue;
        }
        const parameter& weights = layout.named(spec.name + ".weight");
        const double alive = mask == nullptr
                                 ? 1.0
                                 : static_cast<double>(mask->count(weights.offset, weights.size)) /
                                       static_cast<double>(weights.size);
        work.push_back({.layer = i,
                        .shape = convolution_shape_of(spec, input_shape_of(layers, i, input)),
                        .density = alive,
                        .input_gradient = spec.inputs.front() != 0});
    }
    return work;
}

double dense_cost(const layer_work& work) {
    return work.shape.flops() * (work.input_gradient ? 3 : 2);
}

double sparse_cost(const layer_work& work) {
    return 2 * work.density * dense_cost(work);
}

bool prefers_sparse(const std::vector<layer_work>& work) {
    double dense = 0;
    double sparse = 0;
    for (const layer_work& w : work) {
        dense += dense_cost(w);
        sparse += sparse_cost(w);
    }
    return sparse < dense;
}

} // namespace feddip::nn
