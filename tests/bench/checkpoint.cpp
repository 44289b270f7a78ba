// What a checkpoint adds to a round: AlexNet's state after 50 of 1000 rounds with 50 clients, packed into
// HDF5, and put on the disk with and without waiting for it. The argument is the model's sparsity in percent.
//     bench_checkpoint --benchmark_counters_tabular=true
// The folder is TMPDIR; name one on the disk that is to be measured.
#include "config/config.hpp"
#include "io/checkpoint_codec.hpp"
#include "io/files.hpp"
#include "nn/network.hpp"
#include "sparse/magnitude.hpp"

#include <benchmark/benchmark.h>

#include <filesystem>

namespace {

using namespace feddip;

constexpr int rounds = 50, clients = 50, slots = 5;

fl::run_state alexnet_state(double sparsity) {
    const auto layout = nn::layout_of(config::model_name::alexnet, {3, 32, 32}, 10);
    fl::run_state s;
    s.rounds_done = rounds;
    s.model.state.resize(layout.size());
    initialize(layout, 1, s.model.state);
    const auto weights = std::span(s.model.state).first(layout.prunable_size());
    s.model.mask = sparse::prune_smallest(weights, sparsity);
    sparse::apply(s.model.mask, weights);
    s.model.mask_version = rounds / 5;
    for (std::uint32_t version = s.model.mask_version - std::uint32_t{fl::remembered_masks};
         version < s.model.mask_version; ++version) {
        s.recent_masks.push_back({version, s.model.mask});
    }
    s.client_mask_version.assign(clients, s.model.mask_version);
    s.client_kept_in.assign(clients, -1);
    for (int round = 1; round <= rounds; ++round) {
        fl::round_record r;
        r.round = round;
        r.layer_density.assign(layout.weights().size(), 1 - sparsity);
        r.clients.resize(slots);
        s.history.push_back(r);
    }
    return s;
}

fl::run_state state_of(const benchmark::State& run) {
    return alexnet_state(static_cast<double>(run.range(0)) / 100);
}

void encode(benchmark::State& run) {
    const auto state = state_of(run);
    std::size_t bytes = 0;
    for (auto _ : run) {
        const auto encoded = io::encode_checkpoint("", state);
        bytes = encoded.size();
    }
    run.counters["bytes"] = static_cast<double>(bytes);
}

void write(benchmark::State& run, io::flush when) {
    const auto state = state_of(run);
    const auto file = std::filesystem::temp_directory_path() / "feddip-bench-checkpoint.h5";
    for (auto _ : run) {
        io::replace_file(file, io::encode_checkpoint("", state), when);
    }
    std::filesystem::remove(file);
}

void decode(benchmark::State& run) {
    const auto encoded = io::encode_checkpoint("", state_of(run));
    for (auto _ : run) {
        benchmark::DoNotOptimize(io::decode_checkpoint(encoded, "bench"));
    }
}

BENCHMARK(encode)->Arg(0)->Arg(50)->Arg(90)->Arg(95)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write, to_the_disk, io::flush::now)
    ->Arg(0)
    ->Arg(50)
    ->Arg(90)
    ->Arg(95)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write, to_the_system, io::flush::later)
    ->Arg(0)
    ->Arg(50)
    ->Arg(90)
    ->Arg(95)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(decode)->Arg(90)->Arg(95)->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
