// Each MPI_X below is found before the library's own and calls PMPI_X, the same function by its other name.
// More calls that hand over data are here than are in use; tests/system/test_counted_calls.py finds those in
// use that are not.
#include "mpi/independent_count.hpp"

#include <mpi.h>

namespace {

std::uint64_t handed_over = 0;

int rank_in(MPI_Comm comm) {
    int rank = 0;
    PMPI_Comm_rank(comm, &rank);
    return rank;
}

int size_of(MPI_Comm comm) {
    int size = 0;
    PMPI_Comm_size(comm, &size);
    return size;
}

void count(const void* buffer, int elements, MPI_Datatype type, int times = 1) {
    if (buffer == MPI_IN_PLACE) {
        return;
    }
    int size = 0;
    PMPI_Type_size(type, &size);
    handed_over += static_cast<std::uint64_t>(elements) * static_cast<std::uint64_t>(size) *
                   static_cast<std::uint64_t>(times);
}

} // namespace

std::uint64_t feddip::test::bytes_handed_to_mpi() {
    return handed_over;
}

extern "C" {

#define FEDDIP_COUNTED_SEND(name)                                                                            \
    int MPI_##name(const void* buffer, int n, MPI_Datatype type, int to, int tag, MPI_Comm comm) {           \
        count(buffer, n, type);                                                                              \
        return PMPI_##name(buffer, n, type, to, tag, comm);                                                  \
    }
FEDDIP_COUNTED_SEND(Send)
FEDDIP_COUNTED_SEND(Ssend)
FEDDIP_COUNTED_SEND(Rsend)
FEDDIP_COUNTED_SEND(Bsend)

#define FEDDIP_COUNTED_ISEND(name)                                                                           \
    int MPI_##name(const void* buffer, int n, MPI_Datatype type, int to, int tag, MPI_Comm comm,             \
                   MPI_Request* request) {                                                                   \
        count(buffer, n, type);                                                                              \
        return PMPI_##name(buffer, n, type, to, tag, comm, request);                                         \
    }
FEDDIP_COUNTED_ISEND(Isend)
FEDDIP_COUNTED_ISEND(Issend)
FEDDIP_COUNTED_ISEND(Irsend)
FEDDIP_COUNTED_ISEND(Ibsend)

int MPI_Sendrecv(const void* sent, int n, MPI_Datatype type, int to, int tag, void* received, int m,
                 MPI_Datatype type_received, int from, int tag_received, MPI_Comm comm, MPI_Status* status) {
    count(sent, n, type);
    return PMPI_Sendrecv(sent, n, type, to, tag, received, m, type_received, from, tag_received, comm,
                         status);
}

int MPI_Bcast(void* buffer, int n, MPI_Datatype type, int root, MPI_Comm comm) {
    count(buffer, n, type, rank_in(comm) == root ? 1 : 0);
    return PMPI_Bcast(buffer, n, type, root, comm);
}

int MPI_Ibcast(void* buffer, int n, MPI_Datatype type, int root, MPI_Comm comm, MPI_Request* request) {
    count(buffer, n, type, rank_in(comm) == root ? 1 : 0);
    return PMPI_Ibcast(buffer, n, type, root, comm, request);
}

int MPI_Gather(const void* sent, int n, MPI_Datatype type, void* received, int m, MPI_Datatype type_received,
               int root, MPI_Comm comm) {
    count(sent, n, type);
    return PMPI_Gather(sent, n, type, received, m, type_received, root, comm);
}

int MPI_Gatherv(const void* sent, int n, MPI_Datatype type, void* received, const int* counts,
                const int* places, MPI_Datatype type_received, int root, MPI_Comm comm) {
    count(sent, n, type);
    return PMPI_Gatherv(sent, n, type, received, counts, places, type_received, root, comm);
}

int MPI_Allgather(const void* sent, int n, MPI_Datatype type, void* received, int m,
                  MPI_Datatype type_received, MPI_Comm comm) {
    count(sent, n, type);
    return PMPI_Allgather(sent, n, type, received, m, type_received, comm);
}

int MPI_Allgatherv(const void* sent, int n, MPI_Datatype type, void* received, const int* counts,
                   const int* places, MPI_Datatype type_received, MPI_Comm comm) {
    count(sent, n, type);
    return PMPI_Allgatherv(sent, n, type, received, counts, places, type_received, comm);
}

int MPI_Scatter(const void* sent, int n, MPI_Datatype type, void* received, int m, MPI_Datatype type_received,
                int root, MPI_Comm comm) {
    if (rank_in(comm) == root) {
        count(sent, n, type, size_of(comm));
    }
    return PMPI_Scatter(sent, n, type, received, m, type_received, root, comm);
}

int MPI_Alltoall(const void* sent, int n, MPI_Datatype type, void* received, int m,
                 MPI_Datatype type_received, MPI_Comm comm) {
    count(sent, n, type, size_of(comm));
    return PMPI_Alltoall(sent, n, type, received, m, type_received, comm);
}

int MPI_Reduce(const void* sent, void* received, int n, MPI_Datatype type, MPI_Op op, int root,
               MPI_Comm comm) {
    count(sent, n, type);
    return PMPI_Reduce(sent, received, n, type, op, root, comm);
}

int MPI_Allreduce(const void* sent, void* received, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
    count(sent, n, type);
    return PMPI_Allreduce(sent, received, n, type, op, comm);
}

int MPI_Scan(const void* sent, void* received, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
    count(sent, n, type);
    return PMPI_Scan(sent, received, n, type, op, comm);
}

int MPI_Put(const void* sent, int n, MPI_Datatype type, int to, MPI_Aint place, int m,
            MPI_Datatype type_there, MPI_Win window) {
    count(sent, n, type);
    return PMPI_Put(sent, n, type, to, place, m, type_there, window);
}

} // extern "C"
