// What does one training step cost, and one evaluation, of each model at the paper's batch size?
#include "base/random.hpp"
#include "nn/network.hpp"
#include "nn/sgd.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
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

nn::network_options options_of(config::model_name model) {
    if (model == config::model_name::lenet5) {
        return {.max_batch = batch_size};
    }
    const int classes = model == config::model_name::resnet18 ? 100 : 10;
    return {.model = model, .input = {3, 32, 32}, .classes = classes, .max_batch = batch_size};
}

void train(benchmark::State& state, config::model_name model) {
    problem p(options_of(model));
    random_stream dropout(1, 0, 0, purpose::dropout);
    for (auto _ : state) {
        benchmark::DoNotOptimize(p.net.train(p.batch(), dropout));
    }
    state.SetItemsProcessed(state.iterations() * batch_size);
}

void evaluate(benchmark::State& state, config::model_name model) {
    problem p(options_of(model));
    for (auto _ : state) {
        benchmark::DoNotOptimize(p.net.evaluate(p.batch()));
    }
    state.SetItemsProcessed(state.iterations() * batch_size);
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

using config::model_name;

BENCHMARK_CAPTURE(train, lenet5, model_name::lenet5)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(train, alexnet, model_name::alexnet)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(train, resnet18, model_name::resnet18)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate, lenet5, model_name::lenet5)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate, alexnet, model_name::alexnet)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate, resnet18, model_name::resnet18)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(update, lenet5_dense, model_name::lenet5, false)->Arg(10)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(update, lenet5_on_mask, model_name::lenet5, true)->Arg(10)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(update, alexnet_dense, model_name::alexnet, false)->Arg(10)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(update, alexnet_on_mask, model_name::alexnet, true)->Arg(10)->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
