#include "nn/network.hpp"

#include "base/error.hpp"
#include "nn/blocks.hpp"
#include "nn/elementwise.hpp"
#include "nn/kernel_choice.hpp"
#include "nn/layers/blocked.hpp"
#include "nn/models/registry.hpp"
#include "nn/sgd.hpp"
#include "nn/sparse_layers.hpp"
#include "nn/version.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <optional>

namespace feddip::nn {

namespace {

// The gradients of values that are still to be read, by value. A value that several layers read gets the sum.
class open_gradients {
public:
    explicit open_gradients(std::size_t values) : gradients_(values) {}

    void add(plan_builder& plan, int value, tensor diff) {
        std::optional<tensor>& mine = gradients_[static_cast<std::size_t>(value)];
        if (!mine) {
            mine = std::move(diff);
            return;
        }
        const tensor other = plan.in_layout(std::move(diff), mine->desc());
        const tensor sum = mine->unshared() ? *mine : plan.make(mine->desc());
        plan.emit([a = mine->memory, b = other.memory, sum = sum.memory, n = size_of(other.desc())](
                      run_context&) { nn::add(floats_of(a), floats_of(b), floats_of(sum), n, false); });
        mine = sum;
    }

    tensor take(int value) {
        return *std::exchange(gradients_[static_cast<std::size_t>(value)], std::nullopt);
    }

private:
    std::vector<std::optional<tensor>> gradients_;
};

// Hands each value to its readers, the last of which gets the only copy.
class open_values {
public:
    open_values(const std::vector<fused_layer>& layers, tensor images) {
        values_.resize(layers.size() + 1);
        readers_.resize(layers.size() + 1);
        for (const fused_layer& layer : layers) {
            for (const int input : layer.spec.inputs) {
                ++readers_[static_cast<std::size_t>(input)];
            }
        }
        values_[0] = std::move(images);
    }

    void put(std::size_t value, tensor t) { values_[value] = std::move(t); }

    // Activations that are still to be read, each once for all its readers.
    void bring_into_blocks(plan_builder& plan) {
        for (std::size_t value = 1; value < values_.size(); ++value) {
            if (readers_[value] > 0 && values_[value].memory) {
                values_[value] = in_blocks(plan, std::move(values_[value]));
            }
        }
    }

    std::vector<tensor> take(const std::vector<int>& inputs) {
        std::vector<tensor> taken;
        for (const int input : inputs) {
            const auto value = static_cast<std::size_t>(input);
            taken.push_back(--readers_[value] == 0 ? std::exchange(values_[value], tensor{})
                                                   : values_[value]);
        }
        return taken;
    }

    tensor take_output() { return std::move(values_.back()); }

private:
    std::vector<tensor> values_;
    std::vector<int> readers_;
};

// Layers that are computed in one way or the other.
struct chosen_layers {
    std::vector<fused_layer> specs;
    std::size_t first_sparse;              // by the sparse kernels, as all after it; before it oneDNN
    std::unique_ptr<sparse_layers> sparse; // null where there are none
};

plan make_plan(const chosen_layers& chosen, gradient_scope scope, plan_builder builder) {
    const auto& specs = chosen.specs;
    open_values values(specs, builder.images());
    std::vector<std::unique_ptr<layer>> layers;
    for (std::size_t i = 0; i < specs.size(); ++i) {
        if (i == chosen.first_sparse) {
            values.bring_into_blocks(builder);
        }
        auto made = i < chosen.first_sparse ? make_layer(specs[i])
                                            : make_blocked_layer(specs[i], i, *chosen.sparse, scope);
        values.put(i + 1, made->forward(builder, values.take(specs[i].spec.inputs)));
        if (builder.training()) {
            layers.push_back(std::move(made));
        }
    }
    std::optional<tensor> diff = score_softmax_cross_entropy(builder, values.take_output());
    if (diff) {
        open_gradients gradients(specs.size() + 1);
        gradients.add(builder, static_cast<int>(specs.size()), *std::exchange(diff, std::nullopt));
        for (std::size_t i = specs.size(); i-- > 0;) {
            const std::vector<int>& inputs = specs[i].spec.inputs;
            const bool wanted = inputs.front() != 0;
            std::vector<tensor> found =
                layers[i]->backward(builder, gradients.take(static_cast<int>(i) + 1), wanted);
            layers[i].reset(); // its saved tensors are free for reuse
            for (std::size_t k = 0; k < found.size(); ++k) {
                gradients.add(builder, inputs[k], std::move(found[k]));
            }
        }
    }
    return builder.finish();
}

} // namespace

struct network::implementation {
    implementation(const model_spec& model, int max_batch_size, config::kernel_kind kernel_kind,
                   config::precision_kind operand_precision)
        : input(model.shape(0)), max_batch(max_batch_size), kernels(kernel_kind),
          precision(operand_precision), layout(model.layout()), state(make_aligned<float>(layout.size())),
          gradients(make_aligned<float>(layout.trainable_size())) {
        dense.specs = fuse(model);
        dense.first_sparse = dense.specs.size();
        std::fill_n(state.get(), layout.size(), 0.0F);
        std::fill_n(gradients.get(), layout.trainable_size(), 0.0F);
        use_mask(nullptr, gradient_scope::all);
    }

    struct compilation {
        sparse::mask mask;
        chosen_layers layers;
    };

    parameter_memory parameters() const { return {&layout, state.get(), gradients.get()}; }
    void use_mask(const sparse::mask* m, gradient_scope wanted);
    const chosen_layers* compiled_for(const sparse::mask& m, std::size_t first_sparse, compilation& kept);
    sparse_layers* compiled() const { return chosen->sparse.get(); }
    void bring_state_up_to_date();
    void bring_gradients_up_to_date();
    void check(const data::batch& b) const;
    void run(run_context& context, pass kind);
    plan& plan_for(pass kind, int batch);

    // Several clients on one rank end their epochs with batches of different sizes.
    static constexpr std::size_t most_plans = 8;
    struct cached_plan {
        pass kind;
        int batch;
        const sparse_layers* compiled; // null: dense
        gradient_scope scope;          // of the compiled layers'
        plan steps;
    };

    data::image_shape input;
    int max_batch;
    config::kernel_kind kernels;
    config::precision_kind precision;
    parameter_layout layout;
    chosen_layers dense; // oneDNN alone
    aligned_array<float> state;
    aligned_array<float> gradients;
    dnnl::engine engine{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream{engine};
    arena memory;
    compilation all_alive; // for the gradients of all weights
    compilation masked;
    const chosen_layers* chosen = &dense;           // what is in use
    gradient_scope scope = gradient_scope::on_mask; // of what the compiled layers compute
    bool packed_stale = true;                       // the state may have been written since it was packed
    bool state_stale = false;                       // packed weights have been updated since
    bool gradients_stale = false;
    std::list<cached_plan> plans; // the most recently used first
};

void network::implementation::use_mask(const sparse::mask* m, gradient_scope wanted) {
    bring_state_up_to_date();
    bring_gradients_up_to_date();
    packed_stale = true;
    const bool whole = m == nullptr;
    scope = whole ? gradient_scope::on_mask : wanted;
    std::size_t first_sparse = dense.specs.size();
    if (kernels == config::kernel_kind::sparse && !whole) {
        first_sparse = 0;
    } else if (kernels != config::kernel_kind::dense) {
        first_sparse =
            first_sparse_layer(work_of(dense.specs, input, layout, m), dense.specs.size(), scope, precision);
    }
    if (first_sparse == dense.specs.size()) {
        chosen = &dense;
    } else if (whole) {
        chosen = compiled_for(sparse::mask(layout.prunable_size(), true), first_sparse, all_alive);
    } else {
        chosen = compiled_for(*m, first_sparse, masked);
    }
}

const chosen_layers* network::implementation::compiled_for(const sparse::mask& m, std::size_t first_sparse,
                                                           compilation& kept) {
    auto& layers = kept.layers;
    if (layers.sparse == nullptr || layers.first_sparse != first_sparse || kept.mask != m) {
        plans.remove_if(
            [&](const cached_plan& p) { return p.compiled != nullptr && p.compiled == layers.sparse.get(); });
        layers.sparse.reset(); // before its successor takes as much memory
        kept.mask = m;
        layers.first_sparse = first_sparse;
        layers.specs = fuse_additions(dense.specs, first_sparse);
        layers.sparse =
            std::make_unique<sparse_layers>(layers.specs, first_sparse, input, parameters(), m, max_batch);
    }
    return &layers;
}

void network::implementation::bring_state_up_to_date() {
    if (std::exchange(state_stale, false)) {
        compiled()->unpack_weights();
    }
}

void network::implementation::bring_gradients_up_to_date() {
    if (std::exchange(gradients_stale, false)) {
        compiled()->unpack_gradients();
    }
}

void network::implementation::run(run_context& context, pass kind) {
    if (compiled() != nullptr && std::exchange(packed_stale, false)) {
        compiled()->pack_weights();
    }
    plan_for(kind, context.batch.size()).run(context, memory);
    if (kind == pass::training) {
        gradients_stale = compiled() != nullptr && scope == gradient_scope::on_mask;
    }
}

void network::implementation::check(const data::batch& b) const {
    const auto images = static_cast<std::size_t>(b.size());
    if (b.size() < 1 || b.size() > max_batch) {
        throw error("can't run a batch", "network",
                    fmt::format("it has {} images, 1 to {} are allowed", b.size(), max_batch));
    }
    if (b.images.size() != images * input.size()) {
        throw error("can't run a batch", "network",
                    fmt::format("{} floats are not {} images of {}x{}x{}", b.images.size(), images,
                                input.channels, input.height, input.width));
    }
}

plan& network::implementation::plan_for(pass kind, int batch) {
    const auto found = std::ranges::find_if(plans, [&](const auto& p) {
        return p.kind == kind && p.batch == batch && p.compiled == compiled() && p.scope == scope;
    });
    if (found != plans.end()) {
        plans.splice(plans.begin(), plans, found);
    } else {
        if (plans.size() == most_plans) {
            plans.pop_back();
        }
        plans.push_front(
            {kind, batch, compiled(), scope,
             make_plan(*chosen, scope,
                       plan_builder(engine, memory, parameters(), kind, batch, input, precision))});
    }
    return plans.front().steps;
}

network::network(const network_options& options)
    : network(model_of(options.model, options.input, options.classes), options.max_batch, options.kernels,
              options.precision) {}
network::network(const model_spec& model, int max_batch, config::kernel_kind kernels,
                 config::precision_kind precision) {
    if (precision == config::precision_kind::bf16 && !can_multiply_bf16()) {
        throw input_error("unsupported setting", "compute.precision",
                          fmt::format("\"bf16\" needs a processor with AVX-512 BF16 or AMX, this one has {}",
                                      instruction_set()));
    }
    impl_ = std::make_unique<implementation>(model, max_batch, kernels, precision);
}
network::~network() = default;
network::network(network&&) noexcept = default;
network& network::operator=(network&&) noexcept = default;

const parameter_layout& network::layout() const {
    return impl_->layout;
}
std::span<float> network::state() {
    impl_->bring_state_up_to_date();
    impl_->packed_stale = true;
    return {impl_->state.get(), impl_->layout.size()};
}
std::span<const float> network::gradients() const {
    impl_->bring_gradients_up_to_date();
    return {impl_->gradients.get(), impl_->layout.trainable_size()};
}

void network::use_mask(const sparse::mask* m, gradient_scope scope) {
    impl_->use_mask(m, scope);
}

kernel_path network::path() const {
    return impl_->compiled() == nullptr ? kernel_path::dense : kernel_path::sparse;
}

batch_score network::train(const data::batch& b, random_stream& dropout) {
    impl_->check(b);
    run_context context{.stream = impl_->stream, .batch = b, .dropout = &dropout};
    impl_->run(context, pass::training);
    return context.score;
}

void network::step_on_mask(const sgd_settings& settings, const sparse::mask& m) {
    const bool packed = impl_->compiled() != nullptr && impl_->scope == gradient_scope::on_mask;
    if (packed && !impl_->packed_stale) {
        impl_->compiled()->step(settings, m);
        impl_->state_stale = true;
    } else {
        sgd_step_on_mask(layout(), settings, m, gradients(), state().first(layout().trainable_size()));
    }
}

batch_score network::evaluate(const data::batch& b, std::span<std::uint8_t> correct) {
    impl_->check(b);
    run_context context{.stream = impl_->stream, .batch = b, .correct = correct};
    impl_->run(context, pass::inference);
    return context.score;
}

std::vector<double> uses_per_weight(const config::model_section& model, data::image_shape input,
                                    int classes) {
    const auto spec = model_of(model, input, classes);
    std::vector<double> uses;
    for (const auto& layer : spec.layers()) {
        if (layer.kind == layer_kind::convolution) {
            uses.push_back(static_cast<double>(layer.output.height) * layer.output.width);
        } else if (layer.kind == layer_kind::fully_connected) {
            uses.push_back(1);
        }
    }
    return uses;
}

parameter_layout layout_of(const config::model_section& model, data::image_shape input, int classes) {
    return model_of(model, input, classes).layout();
}

} // namespace feddip::nn
