// What does the communication of a round take, sparse and dense? On a network, or in a simulated one (built
// as simulated_round, for SimGrid's SMPI): README-collectives.md.
//     mpirun -n RANKS round (sparse | dense) MODEL SPARSITY DIVISOR TIMES
//     round costs
// exchanges vectors that are DIVISOR times smaller than the model's and prints a CSV line for each exchange:
// kind, bytes that a rank would hold of the whole vector, and the seconds of the slowest rank, best of TIMES.
// Simulated seconds contain nothing that a processor does but what is charged: the costs in the environment
// variable ROUND_COSTS, in seconds for each position coded, position decoded and value added. `costs` prints
// what this machine takes for these, in seconds of CPU.
#include "base/random.hpp"
#include "comm/mpi_transport.hpp"
#include "fl/slot_tree.hpp"
#include "sparse/codec.hpp"
#include "sparse/start.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <vector>

namespace {

using namespace feddip;
using comm::communicator;

// Prunable tensors, by size.
const std::map<std::string, std::vector<double>> models{
    {"alexnet", {1728, 110592, 663552, 884736, 589824, 4194304, 16777216, 40960}},
    {"resnet18", {1728,   36864, 36864,  36864,  36864,   73728,   147456, 8192,    147456,  147456, 294912,
                  589824, 32768, 589824, 589824, 1179648, 2359296, 131072, 2359296, 2359296, 51200}}};

struct costs {
    double encode, decode, add;
};

#ifdef FEDDIP_SIMULATED_ADD_TO
const costs& charged() {
    static const costs read = [] {
        costs c{};
        const char* text = std::getenv("ROUND_COSTS");
        if (text == nullptr || std::sscanf(text, "%lf,%lf,%lf", &c.encode, &c.decode, &c.add) != 3) {
            std::cerr << "ROUND_COSTS must be ENCODE,DECODE,ADD in seconds\n";
            comm::abort_job(2);
        }
        return c;
    }();
    return read;
}

constexpr double speed = 1e9; // operations per second of a simulated host

void charge(double seconds) {
    smpi_execute_flops(seconds * speed);
}

// Every rank's clock is the same: no barrier is needed to start together.
void start_together(communicator&) {
    constexpr double interval = 1000;
    const double now = MPI_Wtime();
    charge(std::ceil(now / interval) * interval - now);
}

// SMPI has no threads, which comm::mpi_session asks for.
class session {
public:
    session(int& argc, char**& argv) { comm::check(MPI_Init(&argc, &argv), "MPI_Init"); }
    ~session() { MPI_Finalize(); }
    session(const session&) = delete;
    session& operator=(const session&) = delete;
};
#else
using session = comm::mpi_session;

const costs& charged() {
    static const costs none{};
    return none;
}

void charge(double) {}

void start_together(communicator& c) {
    c.barrier();
}
#endif

} // namespace

#ifdef FEDDIP_SIMULATED_ADD_TO
// The linker's --wrap hands calls of fl::add_to over to here.
void add_itself(std::span<float> left, std::span<const float> right) asm("__real_" FEDDIP_SIMULATED_ADD_TO);
void add_and_charge(std::span<float> left,
                    std::span<const float> right) asm("__wrap_" FEDDIP_SIMULATED_ADD_TO);

void add_and_charge(std::span<float> left, std::span<const float> right) {
    add_itself(left, right);
    charge(static_cast<double>(left.size()) * charged().add);
}
#endif

namespace {

parameter_layout layout_of(const std::string& model, double divisor) {
    std::vector<parameter> tensors;
    for (const double full : models.at(model)) {
        const std::int64_t size = std::max<std::int64_t>(1, std::llround(full / divisor));
        tensors.push_back({"weight" + std::to_string(tensors.size()),
                           role::weight,
                           {size},
                           0,
                           static_cast<std::size_t>(size),
                           0});
    }
    return parameter_layout(tensors);
}

std::vector<double> densities(const parameter_layout& layout, double sparsity) {
    return std::vector<double>(layout.weights().size(), 1 - sparsity);
}

sparse::mask mask_of(const parameter_layout& layout, double sparsity) {
    random_stream random(1, 0, 0, purpose::test);
    return sparse::random_mask(layout, densities(layout, sparsity), random);
}

// Whole and small, so that sums are exact in any order.
float value_at(std::size_t i, int rank) {
    return static_cast<float>(i % 100 + static_cast<std::size_t>(rank % 8));
}

std::vector<float> values_of(int rank, std::size_t length) {
    std::vector<float> values(length);
    for (std::size_t i = 0; i < length; ++i) {
        values[i] = value_at(i, rank);
    }
    return values;
}

bool is_total(std::span<const float> sum, int ranks) {
    float offset = 0;
    for (int rank = 0; rank < ranks; ++rank) {
        offset += value_at(0, rank);
    }
    for (std::size_t i = 0; i < sum.size(); ++i) {
        if (sum[i] != static_cast<float>(ranks) * static_cast<float>(i % 100) + offset) {
            return false;
        }
    }
    return true;
}

std::vector<std::byte> bytes_of(std::span<const float> values) {
    const auto bytes = std::as_bytes(values);
    return {bytes.begin(), bytes.end()};
}

class bench {
public:
    bench(double divisor, int times)
        : divisor_(divisor), times_(times), c_(communicator::world()), transport_(communicator::world()) {
        // What an MPI sets up at the first call is not to be timed.
        std::vector<std::byte> nothing(1);
        transport_.broadcast(nothing);
        float one = 1;
        c_.broadcast(0, std::as_writable_bytes(std::span(&one, 1)));
    }

    // One slot for each rank.
    void sparse(const std::string& model, double sparsity) {
        const parameter_layout layout = layout_of(model, divisor_);
        const bool root = c_.rank() == 0;
        const sparse::mask m = root ? mask_of(layout, sparsity) : sparse::mask();
        const auto per_layer = sparse::alive_per_layer(layout, densities(layout, sparsity));
        const std::size_t alive = std::reduce(per_layer.begin(), per_layer.end());
        const std::vector<float> values = values_of(c_.rank(), alive);
        const auto positions = static_cast<double>(alive);

        std::vector<std::byte> message;
        const auto holds_values_of_root = [&](std::span<const std::byte> bytes) {
            const std::vector<float> expected = values_of(0, alive);
            return std::ranges::equal(bytes, std::as_bytes(std::span(expected)));
        };
        time(
            "broadcast_values", alive * sizeof(float),
            [&] { message = root ? bytes_of(values) : std::vector<std::byte>(); },
            [&] { transport_.broadcast(message); }, [&] { return holds_values_of_root(message); });

        const std::size_t code_length = root ? sparse::encode(m, layout).size() : 0; // for what is printed
        const auto code = [&] { return std::span(message).first(message.size() - alive * sizeof(float)); };
        sparse::mask decoded;
        time(
            "broadcast_new_mask", code_length + alive * sizeof(float), [&] { message.clear(); },
            [&] {
                if (root) {
                    message = sparse::encode(m, layout);
                    charge(positions * charged().encode);
                    const auto tail = std::as_bytes(std::span(values));
                    message.insert(message.end(), tail.begin(), tail.end());
                }
                transport_.broadcast(message);
                if (!root) {
                    decoded = sparse::decode(code(), layout);
                    charge(positions * charged().decode);
                }
            },
            [&] {
                return holds_values_of_root(std::span(message).subspan(code().size())) &&
                       (root ? m : decoded).count() == alive;
            });
        message = {};
        sum("sum_values", values);
    }

    void dense(const std::string& model) {
        const std::size_t length = layout_of(model, divisor_).prunable_size();
        {
            std::vector<float> all;
            time(
                "broadcast_all", length * sizeof(float), [&] { all = values_of(c_.rank(), length); },
                [&] { c_.broadcast(0, std::as_writable_bytes(std::span(all))); },
                [&] { return all == values_of(0, length); });
        }
        const std::vector<float> all = values_of(c_.rank(), length);
        reduce(all);
        sum("sum_all", all);
    }

private:
    // At rank 0, elsewhere nothing. (A cheaper one for SMPI than communicator's.)
    double largest(double mine) {
        double result = 0;
        comm::check(MPI_Reduce(&mine, &result, 1, MPI_DOUBLE, MPI_MAX, 0, c_.handle()), "MPI_Reduce");
        return result;
    }

    void time(const std::string& kind, std::size_t bytes, const std::function<void()>& prepare,
              const std::function<void()>& exchange, const std::function<bool()>& right) {
        double best = std::numeric_limits<double>::infinity();
        for (int i = 0; i < times_; ++i) {
            prepare();
            start_together(c_);
            const double start = MPI_Wtime();
            exchange();
            best = std::min(best, largest(MPI_Wtime() - start));
        }
        if (largest(right() ? 0 : 1) > 0) {
            std::cerr << kind << ": the result is wrong\n";
            comm::abort_job(1);
        }
        if (c_.rank() == 0) {
            fmt::print("{},{:.0f},{:.9f}\n", kind, static_cast<double>(bytes) * divisor_, best);
        }
    }

    void sum(const std::string& kind, const std::vector<float>& mine) {
        std::vector<int> owners(static_cast<std::size_t>(c_.size()));
        std::iota(owners.begin(), owners.end(), 0);
        std::vector<float> total;
        time(
            kind, mine.size() * sizeof(float), nothing,
            [&] {
                const auto sum = transport_.start_sum(owners, mine.size());
                sum->add(c_.rank(), mine);
                const auto finished = sum->finish();
                if (c_.rank() == 0) {
                    total.assign(finished.begin(), finished.end());
                }
            },
            [&] { return c_.rank() != 0 || (total.size() == mine.size() && is_total(total, c_.size())); });
    }

    void reduce(const std::vector<float>& mine) {
        std::vector<float> total(c_.rank() == 0 ? mine.size() : 0);
        MPI_Op addition = MPI_OP_NULL;
        comm::check(MPI_Op_create(add_in_place, 1, &addition), "MPI_Op_create");
        time(
            "reduce_all", mine.size() * sizeof(float), nothing,
            [&] {
                comm::check(MPI_Reduce(mine.data(), total.data(), static_cast<int>(mine.size()), MPI_FLOAT,
                                       addition, 0, c_.handle()),
                            "MPI_Reduce");
            },
            [&] { return is_total(total, c_.size()); });
        comm::check(MPI_Op_free(&addition), "MPI_Op_free");
    }

    // MPI_SUM, charged.
    static void add_in_place(void* from, void* into, int* length, MPI_Datatype*) {
        const auto n = static_cast<std::size_t>(*length);
        const float* right = static_cast<const float*>(from);
        float* left = static_cast<float*>(into);
        for (std::size_t i = 0; i < n; ++i) {
            left[i] += right[i];
        }
        charge(static_cast<double>(n) * charged().add);
    }

    static void nothing() {}

    double divisor_;
    int times_;
    communicator c_;
    comm::mpi_transport transport_;
};

// Least of ten, in seconds of CPU.
double cpu_seconds(const std::function<void()>& work) {
    std::clock_t best = std::numeric_limits<std::clock_t>::max();
    for (int i = 0; i < 10; ++i) {
        const std::clock_t start = std::clock();
        work();
        best = std::min(best, std::clock() - start);
    }
    return static_cast<double>(best) / CLOCKS_PER_SEC;
}

void print_costs() {
    const parameter_layout layout = layout_of("alexnet", 1);
    const sparse::mask m = mask_of(layout, 0.95);
    const auto alive = static_cast<double>(m.count());
    const std::vector<std::byte> code = sparse::encode(m, layout);
    std::vector<float> left = values_of(0, layout.prunable_size());
    const std::vector<float> right = values_of(1, layout.prunable_size());
    fmt::print("{:.3g},{:.3g},{:.3g}\n", cpu_seconds([&] { sparse::encode(m, layout); }) / alive,
               cpu_seconds([&] { sparse::decode(code, layout); }) / alive,
               cpu_seconds([&] { fl::add_to(left, right); }) / static_cast<double>(left.size()));
}

int usage() {
    std::cerr
        << "usage: round (sparse | dense) (alexnet | resnet18) SPARSITY DIVISOR TIMES, or round costs\n";
    comm::abort_job(2);
}

} // namespace

int main(int argc, char** argv) {
    session mpi(argc, argv);
    const std::string what = argc > 1 ? argv[1] : "";
    if (what == "costs") {
        print_costs();
        return 0;
    }
    if (argc != 6 || !models.contains(argv[2])) {
        return usage();
    }
    bench b(std::atof(argv[4]), std::atoi(argv[5]));
    if (what == "sparse") {
        b.sparse(argv[2], std::atof(argv[3]));
    } else if (what == "dense") {
        b.dense(argv[2]);
    } else {
        return usage();
    }
    return 0;
}
