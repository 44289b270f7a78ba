#include "comm/shared_buffer.hpp"

#include <utility>

namespace feddip::comm {

shared_buffer::shared_buffer(const communicator& c, std::size_t bytes) {
    check(MPI_Comm_split_type(c.handle(), MPI_COMM_TYPE_SHARED, c.rank(), MPI_INFO_NULL, &node_),
          "MPI_Comm_split_type");
    check(MPI_Comm_set_errhandler(node_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    int node_rank = 0;
    check(MPI_Comm_rank(node_, &node_rank), "MPI_Comm_rank");
    leader_ = node_rank == 0;

    void* own = nullptr;
    check(MPI_Win_allocate_shared(leader_ ? static_cast<MPI_Aint>(bytes) : 0, 1, MPI_INFO_NULL, node_, &own,
                                  &window_),
          "MPI_Win_allocate_shared");
    check(MPI_Win_set_errhandler(window_, MPI_ERRORS_RETURN), "MPI_Win_set_errhandler");
    MPI_Aint size = 0;
    int unit = 0;
    void* base = nullptr;
    check(MPI_Win_shared_query(window_, 0, &size, &unit, &base), "MPI_Win_shared_query");
    bytes_ = {static_cast<std::byte*>(base), bytes};
    // The access epoch that MPI_Win_sync needs; it lasts as long as the buffer.
    check(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), "MPI_Win_lock_all");
}

shared_buffer::~shared_buffer() {
    release();
}

shared_buffer::shared_buffer(shared_buffer&& other) noexcept
    : node_(std::exchange(other.node_, MPI_COMM_NULL)), window_(std::exchange(other.window_, MPI_WIN_NULL)),
      leader_(other.leader_), bytes_(std::exchange(other.bytes_, {})) {}

shared_buffer& shared_buffer::operator=(shared_buffer&& other) noexcept {
    if (this != &other) {
        release();
        node_ = std::exchange(other.node_, MPI_COMM_NULL);
        window_ = std::exchange(other.window_, MPI_WIN_NULL);
        leader_ = other.leader_;
        bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
}

void shared_buffer::release() noexcept {
    if (detector_.unwinding()) {
        return;
    }
    if (window_ != MPI_WIN_NULL) {
        MPI_Win_unlock_all(window_);
        MPI_Win_free(&window_);
    }
    if (node_ != MPI_COMM_NULL) {
        MPI_Comm_free(&node_);
    }
}

void shared_buffer::publish() {
    check(MPI_Win_sync(window_), "MPI_Win_sync");
    check(MPI_Barrier(node_), "MPI_Barrier");
    check(MPI_Win_sync(window_), "MPI_Win_sync");
}

} // namespace feddip::comm
