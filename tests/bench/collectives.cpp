// How much faster are collectives on sparse vectors than MPI's on dense ones, and than gathering (index,
// value) pairs? Run under mpirun; README-collectives.md says how, and what came out.
//
// All ranks run the same number of iterations (fixed, or they would disagree and hang), and the time of an
// iteration is that of the slowest rank. Only rank 0 reports.
#include "base/random.hpp"
#include "comm/sparse_collectives.hpp"
#include "sparse/start.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace feddip;
using comm::communicator;

constexpr int iterations = 10;

// The prunable tensors of the two larger models, by size.
const std::vector<std::int64_t> alexnet{1728, 110592, 663552, 884736, 589824, 4194304, 16777216, 40960};
const std::vector<std::int64_t> resnet18{1728,   36864,   36864,   36864,  36864,   73728,   147456,
                                         8192,   147456,  147456,  294912, 589824,  32768,   589824,
                                         589824, 1179648, 2359296, 131072, 2359296, 2359296, 51200};

parameter_layout layout_of(const std::vector<std::int64_t>& sizes) {
    std::vector<parameter> tensors;
    for (const std::int64_t size : sizes) {
        tensors.push_back({"weight" + std::to_string(tensors.size()), role::weight, {size}, 0, 0, size});
    }
    return parameter_layout(tensors);
}

// A model whose layers all have the same density, and this rank's vector, which is zero outside its mask.
struct scenario {
    scenario(communicator& ranks, const std::vector<std::int64_t>& sizes, double sparsity)
        : c(ranks), layout(layout_of(sizes)), shared(draw(0, sparsity)), own(draw(1U + c.rank(), sparsity)),
          vector(layout.prunable_size()) {
        fill(shared);
    }

    sparse::mask draw(std::uint32_t number, double sparsity) const {
        random_stream random(1, number, 0, purpose::test);
        return sparse::random_mask(layout, std::vector<double>(layout.weights().size(), 1 - sparsity),
                                   random);
    }

    // The shared mask after a reconfiguration that replaced a tenth of the alive weights in every layer.
    sparse::mask reconfigured() const {
        random_stream random(1, 0, 1, purpose::test);
        sparse::mask next = shared;
        for (const parameter& tensor : layout.weights()) {
            const auto draw = [&](bool alive) {
                for (;;) {
                    const std::size_t i =
                        tensor.offset + random.below(static_cast<std::uint32_t>(tensor.size));
                    if (next[i] == alive) {
                        return i;
                    }
                }
            };
            for (std::size_t left = shared.count(tensor.offset, tensor.size) / 10; left > 0; --left) {
                next.set(draw(true), false);
                next.set(draw(false), true);
            }
        }
        return next;
    }

    void fill(const sparse::mask& m) {
        std::ranges::fill(vector, 0.0F);
        m.for_each_alive([&](std::size_t i) { vector[i] = value_at(i, c.rank()); });
    }

    // Whole and small, so that sums are exact in any order.
    static float value_at(std::size_t i, int rank) { return static_cast<float>(i % 1000 + rank); }
    float total_at(std::size_t i) const {
        const auto n = static_cast<float>(c.size());
        return n * static_cast<float>(i % 1000) + n * (n - 1) / 2;
    }

    communicator& c;
    parameter_layout layout;
    sparse::mask shared; // the same on all ranks
    sparse::mask own;    // of this rank alone
    std::vector<float> vector;
};

double slowest(communicator& c, double seconds) {
    double result = 0;
    comm::check(MPI_Allreduce(&seconds, &result, 1, MPI_DOUBLE, MPI_MAX, c.handle()), "MPI_Allreduce");
    return result;
}

// Times `exchange` after an untimed first call; `right` looks at the result of the last one.
void measure(benchmark::State& state, scenario& s, const std::function<void()>& prepare,
             const std::function<void()>& exchange, const std::function<bool()>& right) {
    prepare();
    exchange();
    double best = std::numeric_limits<double>::infinity();
    for (auto _ : state) {
        prepare();
        s.c.barrier();
        const double start = MPI_Wtime();
        exchange();
        const double seconds = slowest(s.c, MPI_Wtime() - start);
        state.SetIterationTime(seconds);
        best = std::min(best, seconds);
    }
    state.counters["best_ms"] = 1e3 * best; // what is left when other programs disturb the mean
    if (s.c.maximum(right() ? 0 : 1) != 0) {
        state.SkipWithError("the result is wrong");
    }
}

void nothing() {}

bool has_values_of_rank_0(const scenario& s) {
    bool right = true;
    s.shared.for_each_alive([&](std::size_t i) { right = right && s.vector[i] == scenario::value_at(i, 0); });
    return right;
}

bool is_total(const scenario& s, const std::vector<float>& sum) {
    bool right = true;
    if (s.c.rank() == 0) {
        s.shared.for_each_alive([&](std::size_t i) { right = right && sum[i] == s.total_at(i); });
    }
    return right;
}

void dense_broadcast(benchmark::State& state, scenario& s) {
    measure(
        state, s, nothing, [&] { s.c.broadcast(0, std::as_writable_bytes(std::span(s.vector))); },
        [&] { return has_values_of_rank_0(s); });
}

void broadcast_in_dense_memory(benchmark::State& state, scenario& s) {
    const comm::masked_exchange exchange(s.shared);
    measure(
        state, s, nothing, [&] { exchange.broadcast(s.c, 0, s.vector); },
        [&] { return has_values_of_rank_0(s); });
}

std::vector<float> packed(const scenario& s) {
    std::vector<float> values(s.shared.count());
    pack(s.shared, s.vector, values);
    return values;
}

void broadcast_packed(benchmark::State& state, scenario& s) {
    std::vector<float> values = packed(s);
    measure(
        state, s, nothing, [&] { comm::broadcast_values(s.c, 0, values); },
        [&] {
            unpack(s.shared, values, s.vector);
            return has_values_of_rank_0(s);
        });
}

// The mask is coded, sent and decoded, then the values are sent. `base`: what the receivers hold, or null.
void broadcast_packed_on(const sparse::mask& m, const sparse::mask* base, benchmark::State& state,
                         scenario& s) {
    s.fill(m);
    std::vector<float> mine(m.count());
    pack(m, s.vector, mine);
    sparse::sparse_vector v;
    measure(
        state, s,
        [&] {
            v = s.c.rank() == 0 ? sparse::sparse_vector{m, mine} : sparse::sparse_vector{};
        },
        [&] {
            comm::broadcast_mask(s.c, 0, s.layout, base, v.support);
            v.values.resize(v.support.count());
            comm::broadcast_values(s.c, 0, v.values);
        },
        [&] {
            bool right = v.support == m;
            std::size_t next = 0;
            m.for_each_alive(
                [&](std::size_t i) { right = right && v.values[next++] == scenario::value_at(i, 0); });
            return right;
        });
}

void broadcast_packed_with_new_mask(benchmark::State& state, scenario& s) {
    broadcast_packed_on(s.shared, nullptr, state, s);
}

void broadcast_packed_with_next_mask(benchmark::State& state, scenario& s) {
    broadcast_packed_on(s.reconfigured(), &s.shared, state, s);
}

void reduce_packed(benchmark::State& state, scenario& s) {
    const std::vector<float> mine = packed(s);
    std::vector<float> values;
    measure(
        state, s, [&] { values = mine; }, [&] { comm::sum_values(s.c, values); },
        [&] {
            unpack(s.shared, values, s.vector);
            return is_total(s, s.vector);
        });
}

void dense_reduce(benchmark::State& state, scenario& s) {
    std::vector<float> sum(s.c.rank() == 0 ? s.vector.size() : 0);
    measure(
        state, s, nothing,
        [&] {
            comm::check(MPI_Reduce(s.vector.data(), sum.data(), static_cast<int>(s.vector.size()), MPI_FLOAT,
                                   MPI_SUM, 0, s.c.handle()),
                        "MPI_Reduce");
        },
        [&] { return is_total(s, sum); });
}

void reduce_in_dense_memory(benchmark::State& state, scenario& s) {
    const comm::masked_exchange exchange(s.shared);
    measure(
        state, s,
        [&] {
            s.shared.for_each_alive([&](std::size_t i) { s.vector[i] = scenario::value_at(i, s.c.rank()); });
        },
        [&] { exchange.sum(s.c, s.vector); }, [&] { return is_total(s, s.vector); });
}

void gather_pairs(benchmark::State& state, scenario& s) {
    struct pair {
        std::uint32_t index;
        float value;
    };
    const std::size_t alive = s.shared.count();
    const auto ranks = static_cast<std::size_t>(s.c.size());
    const bool root = s.c.rank() == 0;
    std::vector<pair> mine(alive);
    std::vector<pair> all(root ? ranks * alive : 0);
    std::vector<float> sum(root ? s.vector.size() : 0);
    const auto bytes = static_cast<int>(alive * sizeof(pair));
    std::vector<int> counts(ranks, bytes), places(ranks);
    for (std::size_t r = 0; r < ranks; ++r) {
        places[r] = static_cast<int>(r) * bytes;
    }
    measure(
        state, s, [&] { std::ranges::fill(sum, 0.0F); },
        [&] {
            std::size_t next = 0;
            s.shared.for_each_alive([&](std::size_t i) {
                mine[next++] = {static_cast<std::uint32_t>(i), s.vector[i]};
            });
            comm::check(MPI_Gatherv(mine.data(), bytes, MPI_BYTE, all.data(), counts.data(), places.data(),
                                    MPI_BYTE, 0, s.c.handle()),
                        "MPI_Gatherv");
            for (const pair& p : all) {
                sum[p.index] += p.value;
            }
        },
        [&] { return is_total(s, sum); });
}

void reduce_over_union(benchmark::State& state, scenario& s) {
    s.fill(s.own);
    sparse::sparse_vector mine{s.own, std::vector<float>(s.own.count())};
    sparse::sparse_vector sum;
    measure(
        state, s, nothing,
        [&] {
            pack(s.own, s.vector, mine.values);
            sum = comm::sum_over_union(s.c, s.layout, nullptr, mine);
        },
        [&] {
            std::vector<float> dense(s.vector.size());
            comm::check(MPI_Reduce(s.vector.data(), dense.data(), static_cast<int>(dense.size()), MPI_FLOAT,
                                   MPI_SUM, 0, s.c.handle()),
                        "MPI_Reduce");
            std::vector<float> found(s.vector.size());
            if (s.c.rank() == 0) {
                unpack(sum.support, sum.values, found);
            }
            return s.c.rank() != 0 || found == dense;
        });
}

class no_report : public benchmark::BenchmarkReporter {
public:
    bool ReportContext(const Context&) override { return true; }
    void ReportRuns(const std::vector<Run>&) override {}
};

void register_all(communicator& c) {
    using question = void (*)(benchmark::State&, scenario&);
    const std::vector<std::pair<std::string, question>> questions{
        {"broadcast/dense", dense_broadcast},
        {"broadcast/packed", broadcast_packed},
        {"broadcast/packed_new_mask", broadcast_packed_with_new_mask},
        {"broadcast/packed_next_mask", broadcast_packed_with_next_mask},
        {"broadcast/in_dense_memory", broadcast_in_dense_memory},
        {"reduce/dense", dense_reduce},
        {"reduce/gatherv_pairs", gather_pairs},
        {"reduce/packed", reduce_packed},
        {"reduce/in_dense_memory", reduce_in_dense_memory},
        {"reduce/union", reduce_over_union}};
    const std::vector<std::pair<std::string, const std::vector<std::int64_t>*>> models{
        {"resnet18", &resnet18}, {"alexnet", &alexnet}};
    for (const auto& [model, sizes] : models) {
        for (const double sparsity : {0.95, 0.99}) {
            for (const auto& [name, ask] : questions) {
                const std::string full = model + "/" + std::to_string(sparsity).substr(0, 4) + "/" + name;
                benchmark::RegisterBenchmark(
                    full.c_str(),
                    [&c, sizes = sizes, sparsity, ask = ask](benchmark::State& state) {
                        scenario s(c, *sizes, sparsity);
                        ask(state, s);
                    })
                    ->Iterations(iterations)
                    ->UseManualTime()
                    ->Unit(benchmark::kMillisecond);
            }
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    comm::mpi_session session(argc, argv);
    benchmark::Initialize(&argc, argv);
    auto c = communicator::world();
    register_all(c);
    if (c.rank() == 0) {
        benchmark::RunSpecifiedBenchmarks();
    } else {
        no_report silent;
        benchmark::RunSpecifiedBenchmarks(&silent);
    }
    benchmark::Shutdown();
    return 0;
}
