#include "nn/kernel_choice.hpp"

#include "nn/models/registry.hpp"
#include "nn/sparse_layers.hpp"

#include <algorithm>

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

namespace {

bool is_fully_connected(const sparse::kernels::convolution_shape& s) {
    return s.height * s.width == 1;
}

// oneDNN's convolutions take the images' few channels well.
bool fills_vectors(const sparse::kernels::convolution_shape& s) {
    constexpr int vector = 16;
    constexpr int image_channels = 3;
    return s.out_channels % vector == 0 && (s.in_channels <= image_channels || s.in_channels % vector == 0);
}

double passes(const layer_work& work) {
    return work.input_gradient ? 3 : 2;
}

double outputs(const layer_work& work) {
    const auto& s = work.shape;
    return double{1} * s.out_channels * s.out_height() * s.out_width();
}

double activation_cost(const layer_work& work, double passes) {
    const auto& s = work.shape;
    return 0.298 * passes * (double{1} * s.in_channels * s.height * s.width + outputs(work));
}

// Of what the layer reads, there and back.
double change_of_layout(const layer_work& work) {
    const auto& s = work.shape;
    return 0.298 * 2 * 2 * s.in_channels * s.height * s.width;
}

double dense_cost(const layer_work& work, double passes, config::precision_kind precision) {
    struct rates {
        double full_vectors, other_channels, fully_connected;
    };
    const rates r = precision == config::precision_kind::bf16 ? rates{480, 90, 225} : rates{200, 75, 92};
    const double rate = is_fully_connected(work.shape) ? r.fully_connected
                        : fills_vectors(work.shape)    ? r.full_vectors
                                                       : r.other_channels;
    return work.shape.flops() * passes / rate + activation_cost(work, passes);
}

double sparse_cost(const layer_work& work, double passes) {
    const double rate = is_fully_connected(work.shape) ? 45 : 121;
    const double slabs = std::max(1.0, work.shape.in_channels / 32.0);
    return work.density * work.shape.flops() * passes / rate + activation_cost(work, passes) +
           0.0747 * passes * outputs(work) * slabs;
}

} // namespace

double dense_cost(const layer_work& work, config::precision_kind precision) {
    return dense_cost(work, passes(work), precision);
}

double sparse_cost(const layer_work& work) {
    return sparse_cost(work, passes(work));
}

double all_gradients_cost(const layer_work& work, config::precision_kind precision) {
    layer_work all_alive = work;
    all_alive.density = 1;
    const double gradients = has_dense_gradients(work.shape)
                                 ? dense_cost(work, 1, precision) + activation_cost(work, 2)
                                 : sparse_cost(all_alive, 1);
    return sparse_cost(work, passes(work) - 1) + gradients;
}

namespace {

step_estimate estimate(const layer_work& work, gradient_scope scope, config::precision_kind precision) {
    return {.dense = dense_cost(work, precision),
            .sparse = scope == gradient_scope::all ? all_gradients_cost(work, precision) : sparse_cost(work)};
}

} // namespace

bool has_dense_gradients(const sparse::kernels::convolution_shape& shape) {
    return is_fully_connected(shape) || fills_vectors(shape);
}

step_estimate estimate(const std::vector<layer_work>& work, gradient_scope scope,
                       config::precision_kind precision) {
    step_estimate sum{};
    for (const layer_work& w : work) {
        const step_estimate of_layer = estimate(w, scope, precision);
        sum.dense += of_layer.dense;
        sum.sparse += of_layer.sparse;
    }
    return sum;
}

std::size_t first_sparse_layer(const std::vector<layer_work>& work, std::size_t layers, gradient_scope scope,
                               config::precision_kind precision) {
    constexpr double worth_it = 0.9;
    const step_estimate whole = estimate(work, scope, precision);
    std::size_t first = prefers_sparse(whole) ? 0 : layers;
    double least = worth_it * std::min(whole.dense, whole.sparse);
    double begun = 0;           // by oneDNN
    double rest = whole.sparse; // through the sparse kernels
    for (const layer_work& w : work) {
        const double cost = begun + change_of_layout(w) + rest;
        if (begun > 0 && !is_fully_connected(w.shape) && cost < least) {
            least = cost;
            first = w.layer;
        }
        const step_estimate of_layer = estimate(w, scope, precision);
        begun += of_layer.dense;
        rest -= of_layer.sparse;
    }
    return first;
}

double switching_density(std::vector<layer_work> work, config::precision_kind precision) {
    const auto cost_at = [&](double density) {
        for (layer_work& w : work) {
            w.density = density;
        }
        return estimate(work, gradient_scope::on_mask, precision);
    };
    const auto none = cost_at(0), all = cost_at(1);
    return std::clamp((none.dense - none.sparse) / (all.sparse - none.sparse), 0.0, 1.0);
}

namespace {

// Where all layers are as dense as each other: above this density the rule has oneDNN compute all of them.
double densest_with_sparse_layers(std::vector<layer_work> work, std::size_t layers,
                                  config::precision_kind precision) {
    constexpr int percents = 100;
    const double switching = switching_density(work, precision);
    for (int percent = percents; percent > percents * switching; --percent) {
        for (layer_work& w : work) {
            w.density = double{1} * percent / percents;
        }
        if (first_sparse_layer(work, layers, gradient_scope::on_mask, precision) < layers) {
            return work.front().density;
        }
    }
    return switching;
}

} // namespace

kernel_memory memory_of_sparse_kernels(const network_options& options, double densest_mask) {
    if (options.kernels == config::kernel_kind::dense) {
        return {};
    }
    const auto model = model_of(options.model, options.input, options.classes);
    const auto layers = fuse(model);
    const auto work = work_of(layers, options.input, model.layout(), nullptr);
    const double densest = densest_with_sparse_layers(work, layers.size(), options.precision);
    const bool whole = densest == 1;
    const double masked =
        options.kernels == config::kernel_kind::sparse ? densest_mask : std::min(densest_mask, densest);
    double weights = 0;
    for (const layer_work& w : work) {
        const auto& s = w.shape;
        const double size = double{1} * s.out_channels * s.in_channels * s.kernel * s.kernel;
        // The network keeps what it has compiled without a mask.
        weights += (whole ? size : 0) + masked * size;
        if (masked > 0 && !has_dense_gradients(s)) {
            weights += size;
        }
    }
    return {.bytes = bytes_per_compiled_weight * weights, .density = whole ? 1 : masked};
}

} // namespace feddip::nn
