// What a results file costs a long run: its bytes, and what one more round takes, after so many rounds with
// so many clients in each. The arguments are those two.
//     bench_results --benchmark_counters_tabular=true
// The folder is TMPDIR; name one on the disk that is to be measured.
#include "io/results.hpp"

#include "io/checkpoint_codec.hpp"
#include "io/files.hpp"
#include "io/growing_results.hpp"

#include <benchmark/benchmark.h>

#include <filesystem>
#include <random>

namespace {

using namespace feddip;

constexpr std::size_t layers = 5;

// Measured numbers have no round digits; counts and schedules repeat themselves.
fl::run_state state_after(int rounds, int slots) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> measured(0, 1);
    fl::run_state s;
    s.rounds_done = rounds;
    s.client_mask_version.assign(50, 0);
    s.client_kept_in.assign(50, -1);
    for (int round = 1; round <= rounds; ++round) {
        fl::round_record r;
        r.round = round;
        r.learning_rate = 0.1 / round;
        for (double* value :
             {&r.test_accuracy, &r.test_loss, &r.test_top5_accuracy, &r.train_loss, &r.seconds_train,
              &r.seconds_communicate, &r.seconds_aggregate, &r.seconds_evaluate, &r.seconds_round}) {
            *value = measured(random);
        }
        r.target_sparsity = r.sparsity = 0.9;
        r.bytes_down = 100'000 + random() % 1000;
        r.bytes_up = 100'000 + random() % 1000;
        r.layer_density.assign(layers, 0.1);
        for (int slot = 0; slot < slots; ++slot) {
            fl::client_record c;
            c.id = static_cast<int>(random() % 1000);
            c.samples = 1200;
            c.train_loss = measured(random);
            c.bytes_up = r.bytes_up / 5;
            r.clients.push_back(c);
        }
        s.history.push_back(std::move(r));
    }
    return s;
}

fl::run_info info_of(int slots) {
    fl::run_info info;
    info.rounds = 10'000;
    info.clients_per_round = slots;
    info.layer_names.assign(layers, "conv1.weight");
    return info;
}

void append(benchmark::State& run) {
    auto state = state_after(static_cast<int>(run.range(0)), static_cast<int>(run.range(1)));
    io::growing_results results({info_of(static_cast<int>(run.range(1))), {}, "", false});
    results.grow_to(state.history);
    const auto file = std::filesystem::temp_directory_path() / "feddip-bench-results.h5";
    std::size_t bytes = 0;
    for (auto _ : run) {
        state.history.push_back(state.history.back());
        results.grow_to(state.history);
        const auto image = results.image();
        io::replace_file(file, image, io::flush::later);
        bytes = image.size();
    }
    std::filesystem::remove(file);
    run.counters["bytes"] = static_cast<double>(bytes);
}

// For comparison: the file made anew, as on_start does.
void rewrite(benchmark::State& run) {
    const auto state = state_after(static_cast<int>(run.range(0)), static_cast<int>(run.range(1)));
    const io::results_header header{info_of(static_cast<int>(run.range(1))), {}, "", false};
    const auto file = std::filesystem::temp_directory_path() / "feddip-bench-results.h5";
    for (auto _ : run) {
        io::replace_file(file, io::encode_results(header, state.history), io::flush::later);
    }
    std::filesystem::remove(file);
}

// The history in a checkpoint, on the disk.
void checkpoint(benchmark::State& run) {
    const auto state = state_after(static_cast<int>(run.range(0)), static_cast<int>(run.range(1)));
    const auto file = std::filesystem::temp_directory_path() / "feddip-bench-checkpoint.h5";
    std::size_t bytes = 0;
    for (auto _ : run) {
        const auto encoded = io::encode_checkpoint("", state);
        io::replace_file(file, encoded, io::flush::now);
        bytes = encoded.size();
    }
    std::filesystem::remove(file);
    run.counters["bytes"] = static_cast<double>(bytes);
}

BENCHMARK(append)->ArgsProduct({{100, 1000, 10'000}, {5, 50}})->Unit(benchmark::kMillisecond);
BENCHMARK(rewrite)->ArgsProduct({{100, 1000, 10'000}, {5, 50}})->Unit(benchmark::kMillisecond);
BENCHMARK(checkpoint)->ArgsProduct({{100, 1000, 10'000}, {5, 50}})->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
