// Do memory and time of a round's communication depend on the number of clients and ranks?
//     mpirun -n RANKS bench_collectives_scaling LENGTH SLOTS ROUNDS
// broadcasts a message of LENGTH floats and sums one vector of LENGTH floats per slot, ROUNDS times. Prints
// one CSV line: ranks, slots, length, the largest growth of resident memory of a rank in vectors (beside its
// own message and vector), the most bytes sent by a rank in a round, and the seconds of broadcast and sum on
// the slowest rank, best of ROUNDS.
#include "comm/mpi_transport.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <vector>

namespace {

using namespace feddip;

double resident_bytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024; // Linux counts kibibytes
}

double largest(comm::communicator& c, double value) {
    double result = 0;
    comm::check(MPI_Allreduce(&value, &result, 1, MPI_DOUBLE, MPI_MAX, c.handle()), "MPI_Allreduce");
    return result;
}

// Slots in equal consecutive shares.
std::vector<int> owners_of(int slots, int ranks) {
    std::vector<int> owners;
    for (int s = 0; s < slots; ++s) {
        owners.push_back(static_cast<int>(static_cast<long>(s) * ranks / slots));
    }
    return owners;
}

void run(std::size_t length, int slots, int rounds) {
    auto c = comm::communicator::world();
    comm::mpi_transport transport(comm::communicator::world());
    const std::vector<int> owners = owners_of(slots, c.size());
    std::vector<float> vector(length, 1.0F);
    std::vector<std::byte> message(length * sizeof(float), std::byte{1});
    const double before = resident_bytes();

    double broadcast = std::numeric_limits<double>::infinity();
    double sum_up = std::numeric_limits<double>::infinity();
    for (int round = 0; round < rounds; ++round) {
        c.barrier();
        const double start = MPI_Wtime();
        transport.broadcast(message);
        broadcast = std::min(broadcast, largest(c, MPI_Wtime() - start));
        c.barrier();
        const double halfway = MPI_Wtime();
        const auto sum = transport.start_sum(owners, length);
        for (int s = 0; s < slots; ++s) {
            if (owners[static_cast<std::size_t>(s)] == c.rank()) {
                sum->add(s, vector);
            }
        }
        const auto total = sum->finish();
        sum_up = std::min(sum_up, largest(c, MPI_Wtime() - halfway));
        if (c.rank() == 0 && (total.front() != static_cast<float>(slots) || total.back() != total.front())) {
            std::cerr << "the sum is wrong\n";
            comm::abort_job(1);
        }
    }
    const double vectors =
        largest(c, resident_bytes() - before) / static_cast<double>(length * sizeof(float));
    const double sent = largest(c, static_cast<double>(transport.bytes_sent()) / rounds);
    if (c.rank() == 0) {
        fmt::print("{},{},{},{:.2f},{:.0f},{:.6f},{:.6f}\n", c.size(), slots, length, vectors, sent,
                   broadcast, sum_up);
    }
}

} // namespace

int main(int argc, char** argv) {
    comm::mpi_session session(argc, argv);
    if (argc != 4) {
        std::cerr << "usage: bench_collectives_scaling LENGTH SLOTS ROUNDS\n";
        comm::abort_job(2);
    }
    run(std::strtoul(argv[1], nullptr, 10), std::atoi(argv[2]), std::atoi(argv[3]));
    return 0;
}
