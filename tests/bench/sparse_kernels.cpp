// How fast are the sparse passes, layer by layer, and from which density on is oneDNN's dense convolution
// faster? Counters: dense_gflops counts the work that a dense layer would do, gflops what is left of it at
// this density, bytes what must be read and written at least: inputs, outputs and living weights, once each.
// machine/* is what the core can do at best. draw_roofline.py draws the one against the other. Each layer
// runs at batch 128 on one thread; times are of this thread's CPU time, so that neighbours on a shared
// machine weigh little.
#include "base/random.hpp"
#include "sparse/kernels/aligned.hpp"
#include "sparse/kernels/kernels.hpp"
#include "sparse/kernels/layers.hpp"
#include "sparse/mask.hpp"

#include <benchmark/benchmark.h>
#include <dnnl.hpp>
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace {

using namespace feddip;
using namespace feddip::sparse;
using namespace feddip::sparse::kernels;

constexpr int batch = 128;
constexpr int blocks = blocks_of(batch);

enum class pass { forward, backward_input, backward_weights };

const char* name_of(pass p) {
    return p == pass::forward ? "forward" : p == pass::backward_input ? "backward_input" : "backward_weights";
}

void fill(aligned_floats& values) {
    random_stream random(1, 0, 0, purpose::test);
    for (std::size_t i = 0; i < values.size(); ++i) {
        values.data()[i] = random.uniform() - 0.5F;
    }
}

mask random_mask(std::size_t size, double density) {
    random_stream random(2, 0, 0, purpose::test);
    mask m(size, false);
    for (std::size_t i = 0; i < size; ++i) {
        m.set(i, random.uniform_double() < density);
    }
    return m;
}

void report(benchmark::State& state, double dense_flops, double density, double floats) {
    using benchmark::Counter;
    state.counters["dense_gflops"] = Counter(dense_flops * 1e-9, Counter::kIsIterationInvariantRate);
    state.counters["gflops"] = Counter(dense_flops * density * 1e-9, Counter::kIsIterationInvariantRate);
    state.counters["density"] = density;
    state.counters["flops"] = dense_flops * density;
    state.counters["bytes"] = floats * sizeof(float);
}

// A layer with all three passes, its tensors and weights filled.
template <typename Layer>
void run(benchmark::State& state, Layer& layer, pass what, std::size_t input_size, std::size_t output_size,
         double weights, double dense_flops) {
    aligned_floats input(input_size);
    aligned_floats output(output_size);
    fill(input);
    fill(output);
    std::vector<float> values(layer.alive(), 0.01F);
    layer.load_weights(values.data());
    for (auto _ : state) {
        switch (what) {
        case pass::forward:
            layer.forward(input.data(), nullptr, output.data(), blocks);
            break;
        case pass::backward_input:
            layer.backward_input(output.data(), input.data(), blocks);
            break;
        case pass::backward_weights:
            layer.backward_weights(input.data(), output.data(), values.data(), nullptr, blocks);
            break;
        }
        benchmark::ClobberMemory();
    }
    const float check = values.empty() ? 0.0F : values.front() + output.data()[0] + input.data()[0];
    if (!std::isfinite(check)) {
        state.SkipWithError("the result is not finite");
    }
    const auto alive = static_cast<double>(layer.alive());
    report(state, dense_flops, alive / weights, static_cast<double>(input_size + output_size) + alive);
}

void sparse_conv(benchmark::State& state, convolution_shape s, double density, pass what,
                 instruction_set set) {
    const std::size_t weights = std::size_t(s.out_channels) * s.in_channels * s.kernel * s.kernel;
    sparse_convolution layer(s, random_mask(weights, density), 0, {.instructions = set});
    run(state, layer, what, std::size_t(batch) * s.in_channels * s.height * s.width,
        std::size_t(batch) * s.out_channels * s.out_height() * s.out_width(), static_cast<double>(weights),
        s.flops() * batch);
}

void sparse_fc(benchmark::State& state, int in, int out, double density, pass what) {
    const std::size_t weights = std::size_t(in) * out;
    sparse_linear layer(in, out, random_mask(weights, density), 0, blocks);
    run(state, layer, what, std::size_t(batch) * in, std::size_t(batch) * out, static_cast<double>(weights),
        2.0 * in * out * batch);
}

// oneDNN's own layouts throughout, reorders not counted.
void dense_conv(benchmark::State& state, convolution_shape s, pass what) {
    using namespace dnnl;
    using dims = memory::dims;
    const engine cpu(engine::kind::cpu, 0);
    stream queue(cpu);
    const auto any = [](const dims& d) {
        return memory::desc(d, memory::data_type::f32, memory::format_tag::any);
    };
    const auto input = any({batch, s.in_channels, s.height, s.width});
    const auto weight = any({s.out_channels, s.in_channels, s.kernel, s.kernel});
    const auto output = any({batch, s.out_channels, s.out_height(), s.out_width()});
    const dims strides{s.stride, s.stride};
    const dims padding{s.padding, s.padding};
    const convolution_forward::primitive_desc forward({prop_kind::forward_training,
                                                       algorithm::convolution_direct, input, weight, output,
                                                       strides, padding, padding},
                                                      cpu);
    const auto run_primitive = [&](const primitive& p, const memory::desc& in, int in_id,
                                   const memory::desc& w, int w_id, const memory::desc& out, int out_id) {
        std::unordered_map<int, memory> arguments;
        for (const auto& [desc, id] : {std::pair{in, in_id}, {w, w_id}, {out, out_id}}) {
            memory m(desc, cpu);
            std::fill_n(static_cast<float*>(m.get_data_handle()), desc.get_size() / sizeof(float), 0.01F);
            arguments.emplace(id, m);
        }
        for (auto _ : state) {
            p.execute(queue, arguments);
            queue.wait();
        }
    };
    if (what == pass::forward) {
        run_primitive(convolution_forward(forward), forward.src_desc(), DNNL_ARG_SRC, forward.weights_desc(),
                      DNNL_ARG_WEIGHTS, forward.dst_desc(), DNNL_ARG_DST);
    } else if (what == pass::backward_input) {
        const convolution_backward_data::primitive_desc p(
            {algorithm::convolution_direct, input, weight, output, strides, padding, padding}, cpu, forward);
        run_primitive(convolution_backward_data(p), p.diff_src_desc(), DNNL_ARG_DIFF_SRC, p.weights_desc(),
                      DNNL_ARG_WEIGHTS, p.diff_dst_desc(), DNNL_ARG_DIFF_DST);
    } else {
        const convolution_backward_weights::primitive_desc p(
            {algorithm::convolution_direct, input, weight, output, strides, padding, padding}, cpu, forward);
        run_primitive(convolution_backward_weights(p), p.src_desc(), DNNL_ARG_SRC, p.diff_weights_desc(),
                      DNNL_ARG_DIFF_WEIGHTS, p.diff_dst_desc(), DNNL_ARG_DIFF_DST);
    }
    const double inputs = double{batch} * s.in_channels * s.height * s.width;
    const double outputs = double{batch} * s.out_channels * s.out_height() * s.out_width();
    const double weights = double{1} * s.out_channels * s.in_channels * s.kernel * s.kernel;
    report(state, s.flops() * batch, 1.0, inputs + outputs + weights);
}

// Forward and backward of batch normalization with ReLU, in GB/s of the tensors that it must read and write
// once.
void batch_norm(benchmark::State& state, int channels, int pixels) {
    const normalization_shape shape{batch, channels, pixels};
    const std::size_t size = std::size_t(batch) * channels * pixels;
    aligned_floats x(size), y(size), g(size), dx(size);
    fill(x);
    fill(g);
    std::vector<float> scale(channels, 1.0F), shift(channels), mean(channels), variance(channels, 1.0F);
    std::vector<float> saved_mean(channels), inverse(channels), scale_gradient(channels),
        shift_gradient(channels);
    const normalization_parameters parameters{scale.data(), shift.data(), mean.data(), variance.data()};
    const normalization_memory memory{saved_mean.data(), inverse.data()};
    for (auto _ : state) {
        normalize_training(shape, parameters, memory, x.data(), nullptr, y.data(), true);
        normalize_backward(shape, scale.data(), memory, x.data(), y.data(), g.data(), dx.data(), nullptr,
                           scale_gradient.data(), shift_gradient.data(), true);
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * 6 * size * sizeof(float)));
}

// Fused multiply-adds on registers alone, with the widest vectors of this machine.
template <typename Vector>
[[gnu::always_inline]] inline void multiply_and_add(benchmark::State& state) {
    constexpr int chains = 12; // more than the latency times the units
    constexpr int repeats = 1000;
    Vector sums[chains] = {};
    Vector factor = Vector{} + 0.999F;
    benchmark::DoNotOptimize(factor);
    for (auto _ : state) {
        for (int i = 0; i < repeats; ++i) {
            for (Vector& sum : sums) {
                sum = sum * factor + factor;
            }
        }
        benchmark::DoNotOptimize(sums);
    }
    constexpr double lanes = sizeof(Vector) / sizeof(float);
    state.counters["gflops"] =
        benchmark::Counter(2e-9 * lanes * chains * repeats, benchmark::Counter::kIsIterationInvariantRate);
}

using eight_floats [[gnu::vector_size(32)]] = float;
using sixteen_floats [[gnu::vector_size(64)]] = float;
[[gnu::target("avx2,fma")]] void peak_avx2(benchmark::State& state) {
    multiply_and_add<eight_floats>(state);
}
[[gnu::target("avx512f")]] void peak_avx512(benchmark::State& state) {
    multiply_and_add<sixteen_floats>(state);
}

// As the sparse kernels multiply: 16 samples from the first-level cache with one weight, f32, or a pair of
// inputs of 16 samples with a pair of weights, bf16. Functions of their own, for the compiler keeps sums in
// memory where it sees calls of the library around them.
constexpr int loaded_vectors = 12; // more than the latency times the units
constexpr int loaded_repeats = 1000;

struct loaded_sums {
    __m512 at[loaded_vectors];
};

// A pointer of which the compiler knows nothing, so that every product loads.
inline const float* told_anew(const float* pointer) {
    asm volatile("" : "+r"(pointer));
    return pointer;
}

[[gnu::target("avx512f"), gnu::noinline]] void multiply_loaded_f32(const float* samples,
                                                                   loaded_sums& totals) {
    const __m512 weight = _mm512_set1_ps(0.999F);
    __m512 sums[loaded_vectors] = {};
    for (int i = 0; i < loaded_repeats; ++i) {
        const float* const from = told_anew(samples);
#pragma GCC unroll 32
        for (int k = 0; k < loaded_vectors; ++k) {
            sums[k] = _mm512_fmadd_ps(_mm512_load_ps(from + std::ptrdiff_t{16} * k), weight, sums[k]);
        }
    }
    std::ranges::copy(sums, totals.at);
}

[[gnu::target("avx512f,avx512bf16"), gnu::noinline]] void multiply_loaded_bf16(const float* samples,
                                                                               loaded_sums& totals) {
    const __m512i weight = _mm512_set1_epi32(0x3f7f3f7f);
    __m512 sums[loaded_vectors] = {};
    for (int i = 0; i < loaded_repeats; ++i) {
        const float* const from = told_anew(samples);
#pragma GCC unroll 32
        for (int k = 0; k < loaded_vectors; ++k) {
            const __m512i pairs = _mm512_load_si512(from + std::ptrdiff_t{16} * k);
            sums[k] = _mm512_dpbf16_ps(sums[k], reinterpret_cast<__m512bh>(pairs),
                                       reinterpret_cast<__m512bh>(weight));
        }
    }
    std::ranges::copy(sums, totals.at);
}

// `products` in one multiplication.
void loaded_products(benchmark::State& state, void (*multiply)(const float*, loaded_sums&), int products) {
    aligned_floats samples(loaded_vectors * 16);
    fill(samples);
    loaded_sums totals;
    for (auto _ : state) {
        multiply(samples.data(), totals);
        benchmark::DoNotOptimize(totals);
    }
    state.counters["gproducts"] = benchmark::Counter(1e-9 * products * loaded_vectors * loaded_repeats,
                                                     benchmark::Counter::kIsIterationInvariantRate);
}

// Reads and writes `size` bytes; far beyond the caches it is the memory's bandwidth.
void bandwidth(benchmark::State& state, std::size_t size) {
    aligned_floats values(size / sizeof(float));
    fill(values);
    for (auto _ : state) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            values.data()[i] *= -1.0F;
        }
        benchmark::ClobberMemory();
    }
    state.counters["gigabytes"] =
        benchmark::Counter(2e-9 * static_cast<double>(size), benchmark::Counter::kIsIterationInvariantRate);
}

struct layer_case {
    std::string name;
    convolution_shape shape;
    std::vector<double> densities; // ERK's at a sparsity of 0.95 (LeNet-5: 0.9) first
};

void register_all() {
    const std::vector<layer_case> layers{
        {"lenet5/conv1", {1, 6, 28, 28, 5, 1, 2}, {1.0}},
        {"lenet5/conv2", {6, 16, 14, 14, 5, 1, 0}, {0.095, 0.3, 1.0}},
        {"alexnet/conv1", {3, 64, 32, 32, 3, 2, 1}, {1.0}},
        {"alexnet/conv2", {64, 192, 8, 8, 3, 1, 1}, {0.173, 0.05, 0.5}},
        {"alexnet/conv3", {192, 384, 4, 4, 3, 1, 1}, {0.064, 0.2}},
        {"alexnet/conv4", {384, 256, 4, 4, 3, 1, 1}, {0.053, 0.01}},
        {"alexnet/conv5", {256, 256, 4, 4, 3, 1, 1}, {0.064}},
        {"resnet18/conv1", {3, 64, 32, 32, 3, 1, 1}, {1.0}},
        {"resnet18/stage1", {64, 64, 32, 32, 3, 1, 1}, {0.29, 0.05, 1.0}},
        {"resnet18/stage2.down", {64, 128, 32, 32, 3, 2, 1}, {0.2, 0.05}},
        {"resnet18/stage2.shortcut", {64, 128, 32, 32, 1, 2, 0}, {1.0, 0.05}},
        {"resnet18/stage2", {128, 128, 16, 16, 3, 1, 1}, {0.15, 0.05}},
        {"resnet18/stage3.down", {128, 256, 16, 16, 3, 2, 1}, {0.1, 0.05}},
        {"resnet18/stage3", {256, 256, 8, 8, 3, 1, 1}, {0.075, 0.05}},
        {"resnet18/stage4.down", {256, 512, 8, 8, 3, 2, 1}, {0.05}},
        {"resnet18/stage4", {512, 512, 4, 4, 3, 1, 1}, {0.038, 0.05}},
    };
    const auto add = [](const std::string& name, const std::function<void(benchmark::State&)>& function) {
        benchmark::RegisterBenchmark(name.c_str(), function)->Unit(benchmark::kMillisecond);
    };
    const std::vector<pass> passes{pass::forward, pass::backward_input, pass::backward_weights};
    for (const layer_case& layer : layers) {
        for (const pass p : passes) {
            for (const double density : layer.densities) {
                for (const instruction_set set : available_instruction_sets()) {
                    const std::string name = layer.name + "/" + name_of(p) + "/" + std::string(name_of(set)) +
                                             "/" +
                                             std::to_string(static_cast<int>(std::lround(1000 * density)));
                    add(name, [=](benchmark::State& s) { sparse_conv(s, layer.shape, density, p, set); });
                }
            }
            add(layer.name + "/" + name_of(p) + "/onednn",
                [=](benchmark::State& s) { dense_conv(s, layer.shape, p); });
        }
    }
    struct fc_case {
        const char* name;
        int in, out;
        double density;
    };
    for (const fc_case& c : {fc_case{"lenet5/fc1", 400, 120, 0.077},
                             {"lenet5/fc2", 120, 84, 0.144},
                             {"lenet5/fc3", 84, 10, 0.79},
                             {"alexnet/fc1", 1024, 4096, 0.089},
                             {"alexnet/fc2", 4096, 4096, 0.036},
                             {"alexnet/fc3", 4096, 10, 1.0}}) {
        for (const pass p : passes) {
            add(std::string(c.name) + "/" + name_of(p),
                [=](benchmark::State& s) { sparse_fc(s, c.in, c.out, c.density, p); });
        }
    }
    if (__builtin_cpu_supports("avx512f")) {
        add("machine/peak", peak_avx512);
        add("machine/loaded_products/f32",
            [](benchmark::State& s) { loaded_products(s, multiply_loaded_f32, 16); });
        if (__builtin_cpu_supports("avx512bf16")) {
            add("machine/loaded_products/bf16",
                [](benchmark::State& s) { loaded_products(s, multiply_loaded_bf16, 32); });
        }
    } else if (__builtin_cpu_supports("avx2")) {
        add("machine/peak", peak_avx2);
    }
    add("machine/cache", [](benchmark::State& s) { bandwidth(s, std::size_t{1} << 20); });
    add("machine/memory", [](benchmark::State& s) { bandwidth(s, std::size_t{1} << 30); });
    for (const auto& [channels, pixels] : {std::pair{64, 1024}, {128, 256}, {256, 64}, {512, 16}}) {
        add("batch_norm/" + std::to_string(channels) + "x" + std::to_string(pixels),
            [=, c = channels, n = pixels](benchmark::State& s) { batch_norm(s, c, n); });
    }
}

} // namespace

int main(int argc, char** argv) {
    register_all();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
