// What does one training step cost, and one evaluation, of each model at the paper's batch size: dense and at
// several densities, with the kernels of each kind? compare_with_pytorch.py sets these
// times beside PyTorch's. Times are of this thread's CPU where neighbours on the machine would disturb.
#include "base/random.hpp"
#include "nn/kernel_choice.hpp"
#include "nn/models/registry.hpp"
#include "nn/network.hpp"
#include "nn/sgd.hpp"
#include "nn/version.hpp"
#include "sparse/start.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace feddip;

constexpr int batch_size = 128;

struct problem {
    nn::network net;
    std::vector<float> images;
    std::vector<std::int32_t> labels;

    explicit problem(const nn::network_options& options)
        : net(options), images(batch_size * options.input.size()), labels(batch_size) {
        initialize(net.layout(), 1, net.state());
        random_stream random(1, 0, 0, purpose::test);
        std::ranges::generate(images, [&] { return random.uniform(); });
        std::ranges::generate(labels, [&] {
            return static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(options.classes)));
        });
    }
    data::batch batch() const { return {images, labels}; }
};

using config::kernel_kind;
using config::model_name;
using config::precision_kind;

nn::network_options options_of(model_name model, kernel_kind kernels = kernel_kind::automatic,
                               precision_kind precision = precision_kind::f32) {
    if (model == model_name::lenet5) {
        return {.max_batch = batch_size, .kernels = kernels, .precision = precision};
    }
    const int classes = model == model_name::resnet18 ? 100 : 10;
    return {.model = model,
            .input = {3, 32, 32},
            .classes = classes,
            .max_batch = batch_size,
            .kernels = kernels,
            .precision = precision};
}

enum class spread { erk, uniform };

struct pruning {
    spread how;
    double density;
};

sparse::mask mask_of(const parameter_layout& layout, const pruning& p) {
    random_stream random(2, 0, 0, purpose::test);
    const std::vector<double> densities = p.how == spread::erk
                                              ? sparse::erk_densities(layout, 1 - p.density)
                                              : std::vector<double>(layout.weights().size(), p.density);
    return sparse::random_mask(layout, densities, random);
}

struct step_case {
    model_name model;
    kernel_kind kernels;
    std::optional<pruning> pruned; // nothing: dense
    precision_kind precision = precision_kind::f32;
    nn::gradient_scope scope = nn::gradient_scope::on_mask;
};

// With the update, as a client trains.
void train(benchmark::State& state, const step_case& c) {
    problem p(options_of(c.model, c.kernels, c.precision));
    const parameter_layout& layout = p.net.layout();
    sparse::mask m(layout.prunable_size(), true);
    if (c.pruned) {
        m = mask_of(layout, *c.pruned);
        sparse::apply(m, p.net.state().first(m.size()));
    }
    p.net.use_mask(c.pruned ? &m : nullptr, c.scope);
    std::vector<float> dense(p.net.state().begin(), p.net.state().end());
    random_stream dropout(1, 0, 0, purpose::dropout);
    const nn::sgd_settings settings{.learning_rate = 1e-4F, .weight_decay = 5e-4F, .regularization = 0};
    const auto step = [&] {
        benchmark::DoNotOptimize(p.net.train(p.batch(), dropout));
        if (c.scope == nn::gradient_scope::all) {
            nn::sgd_step_dense(layout, settings, &m, p.net.gradients(),
                               std::span(dense).first(layout.trainable_size()),
                               p.net.state().first(layout.trainable_size()));
        } else {
            p.net.step_on_mask(settings, m);
        }
    };
    step(); // makes the plan, and touches the memory
    for (auto _ : state) {
        step();
    }
    state.SetItemsProcessed(state.iterations() * batch_size);
    state.SetLabel(p.net.path() == nn::kernel_path::sparse ? "sparse kernels" : "oneDNN");
}

void evaluate(benchmark::State& state, const step_case& c) {
    problem p(options_of(c.model, c.kernels, c.precision));
    if (c.pruned) {
        const sparse::mask m = mask_of(p.net.layout(), *c.pruned);
        sparse::apply(m, p.net.state().first(m.size()));
        p.net.use_mask(&m, nn::gradient_scope::on_mask);
    }
    (void)p.net.evaluate(p.batch());
    for (auto _ : state) {
        benchmark::DoNotOptimize(p.net.evaluate(p.batch()));
    }
    state.SetItemsProcessed(state.iterations() * batch_size);
}

// No time of its own: what the rule of kernel_choice.hpp estimates for either path, and for the better of
// both in each layer, were a change of layout free; and how many layers with weights it leaves to oneDNN.
void estimate(benchmark::State& state, const step_case& c) {
    const nn::network_options options = options_of(c.model);
    const nn::model_spec model = nn::model_of(options.model, options.input, options.classes);
    const sparse::mask m = mask_of(model.layout(), *c.pruned);
    const auto layers = nn::fuse(model);
    const auto work = nn::work_of(layers, options.input, model.layout(), &m);
    nn::step_estimate whole{};
    double mixture = 0;
    std::size_t first_sparse = 0;
    for (auto _ : state) {
        whole = nn::estimate(work, c.scope, c.precision);
        mixture = 0;
        first_sparse = nn::first_sparse_layer(work, layers.size(), c.scope, c.precision);
        for (const nn::layer_work& w : work) {
            mixture += std::min(nn::dense_cost(w, c.precision), nn::sparse_cost(w));
        }
    }
    constexpr double batch_ms = batch_size / 1e6; // of ns per image
    state.counters["oneDNN_ms"] = whole.dense * batch_ms;
    state.counters["sparse_ms"] = whole.sparse * batch_ms;
    state.counters["mixture_ms"] = mixture * batch_ms;
    state.counters["by_oneDNN"] = static_cast<double>(
        std::ranges::count_if(work, [&](const nn::layer_work& w) { return w.layer < first_sparse; }));
}

// FedDIP's update at a share of living weights, in percent.
void update(benchmark::State& state, config::model_name model, bool on_mask) {
    problem p(options_of(model));
    const parameter_layout& layout = p.net.layout();
    sparse::mask m(layout.prunable_size(), false);
    random_stream random(2, 0, 0, purpose::test);
    for (std::size_t i = 0; i < m.size(); ++i) {
        m.set(i, random.below(100) < state.range(0));
    }
    const auto pruned = p.net.state().first(layout.trainable_size());
    std::vector<float> dense(pruned.begin(), pruned.end());
    sparse::apply(m, pruned.first(m.size()));
    const nn::sgd_settings settings{.learning_rate = 0.0F, .weight_decay = 5e-4F, .regularization = 1e-3F};
    for (auto _ : state) {
        if (on_mask) {
            nn::sgd_step_on_mask(layout, settings, m, p.net.gradients(), pruned);
        } else {
            nn::sgd_step_dense(layout, settings, &m, p.net.gradients(), dense, pruned);
        }
    }
}

BENCHMARK_CAPTURE(update, lenet5_dense, model_name::lenet5, false)->Arg(10)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(update, lenet5_on_mask, model_name::lenet5, true)->Arg(10)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(update, alexnet_dense, model_name::alexnet, false)->Arg(10)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(update, alexnet_on_mask, model_name::alexnet, true)->Arg(5)->Unit(benchmark::kMillisecond);

void add(const std::string& name, void (*function)(benchmark::State&, const step_case&), const step_case& c) {
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
        function(state, c);
    })->Unit(benchmark::kMillisecond);
}

// train/, evaluate/ or reconfigure/MODEL/WEIGHTS/KERNELS
void register_steps() {
    struct named_pruning {
        std::string name;
        std::optional<pruning> pruned;
    };
    struct model_case {
        std::string name;
        model_name model;
        std::vector<named_pruning> prunings;
    };
    const auto erk = [](double density) { return pruning{spread::erk, density}; };
    const auto uniform = [](double density) { return pruning{spread::uniform, density}; };
    const std::vector<model_case> models{
        {"lenet5", model_name::lenet5, {{"dense", {}}, {"erk_0.1", erk(0.1)}, {"erk_0.5", erk(0.5)}}},
        {"alexnet",
         model_name::alexnet,
         {{"dense", {}}, {"erk_0.05", erk(0.05)}, {"erk_0.2", erk(0.2)}, {"erk_0.5", erk(0.5)}}},
        {"resnet18",
         model_name::resnet18,
         {{"dense", {}},
          {"uniform_0.05", uniform(0.05)},
          {"erk_0.05", erk(0.05)},
          {"erk_0.2", erk(0.2)},
          {"erk_0.5", erk(0.5)}}}};
    for (const model_case& model : models) {
        // For kernel_choice.py: from very sparse to dense.
        for (const int percent : {2, 5, 10, 15, 20, 30, 40, 50, 70, 100}) {
            for (const auto& [name, how] : {std::pair{"erk", spread::erk}, {"uniform", spread::uniform}}) {
                const pruning pruned{how, percent / 100.0};
                const std::string prefix =
                    "choice/" + model.name + "/" + name + "/" + std::to_string(percent);
                const std::string estimated = "estimate" + prefix.substr(prefix.find('/'));
                add(estimated, estimate, {model.model, kernel_kind::automatic, pruned});
                add(prefix + "/automatic", train, {model.model, kernel_kind::automatic, pruned});
                add(prefix + "/dense", train, {model.model, kernel_kind::dense, pruned});
                add(prefix + "/sparse", train, {model.model, kernel_kind::sparse, pruned});
                if (nn::can_multiply_bf16()) {
                    constexpr auto bf16 = precision_kind::bf16;
                    add(estimated + "_bf16", estimate, {model.model, kernel_kind::automatic, pruned, bf16});
                    add(prefix + "/automatic_bf16", train,
                        {model.model, kernel_kind::automatic, pruned, bf16});
                    add(prefix + "/dense_bf16", train, {model.model, kernel_kind::dense, pruned, bf16});
                }
            }
        }
        if (nn::can_multiply_bf16()) {
            const step_case bf16{model.model, kernel_kind::dense, {}, precision_kind::bf16};
            add("train/" + model.name + "/dense/dense_bf16", train, bf16);
            add("evaluate/" + model.name + "/dense/dense_bf16", evaluate, bf16);
        }
        for (const auto& [name, pruned] : model.prunings) {
            for (const auto& [kernels, kind] : {std::pair{"automatic", kernel_kind::automatic},
                                                {"dense", kernel_kind::dense},
                                                {"sparse", kernel_kind::sparse}}) {
                const std::string suffix = "/" + model.name + "/" + name + "/" + kernels;
                if (pruned) { // as in a round that reconfigures
                    add("reconfigure" + suffix, train,
                        {model.model, kind, pruned, precision_kind::f32, nn::gradient_scope::all});
                    if (nn::can_multiply_bf16()) {
                        add("reconfigure" + suffix + "_bf16", train,
                            {model.model, kind, pruned, precision_kind::bf16, nn::gradient_scope::all});
                    }
                }
                if (pruned || kind != kernel_kind::sparse) {
                    add("train" + suffix, train, {model.model, kind, pruned});
                    add("evaluate" + suffix, evaluate, {model.model, kind, pruned});
                }
            }
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    register_steps();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
