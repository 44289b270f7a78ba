// The linker sends the calls here (--wrap in CMakeLists.txt).
#include "unit/io/failing_calls.hpp"

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstddef>

namespace {

struct plan {
    int calls_left = 0; // 0: nothing is planned, or it has happened
    int error_number = 0;
    bool happened = false;
};
thread_local plan current;

// Whether the call that asks is the one to fail.
bool fails_now() {
    if (current.calls_left == 0 || --current.calls_left > 0) {
        return false;
    }
    current.happened = true;
    if (current.error_number == 0) {
        ::_exit(0);
    }
    errno = current.error_number;
    return true;
}

int already_there() {
    errno = EEXIST;
    return -1;
}

} // namespace

extern "C" {

int __real_open(const char*, int, ...);
ssize_t __real_write(int, const void*, std::size_t);
int __real_fsync(int);
int __real_rename(const char*, const char*);
int __real_unlink(const char*);
int __real_link(const char*, const char*);
int __real_close(int);

int __wrap_open(const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const auto mode = va_arg(rest, unsigned);
    va_end(rest);
    return fails_now() ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_write(int fd, const void* bytes, std::size_t size) {
    if (current.calls_left == 1) {
        (void)!__real_write(fd, bytes, size / 2);
    }
    return fails_now() ? -1 : __real_write(fd, bytes, size);
}

int __wrap_fsync(int fd) {
    return fails_now() ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char* from, const char* to) {
    return fails_now() ? -1 : __real_rename(from, to);
}

int __wrap_link(const char* from, const char* to) {
    if (fails_now()) {
        return errno == EEXIST && __real_link(from, to) == 0 ? already_there() : -1;
    }
    return __real_link(from, to);
}

int __wrap_unlink(const char* path) {
    return fails_now() ? -1 : __real_unlink(path);
}

// Also a close that fails has closed.
int __wrap_close(int fd) {
    if (fails_now()) {
        const int error_number = errno;
        __real_close(fd);
        errno = error_number;
        return -1;
    }
    return __real_close(fd);
}

} // extern "C"

namespace feddip::io::testing {

failing_call::failing_call(int nth, int error_number) {
    current = {nth, error_number, false};
}
failing_call::~failing_call() {
    current = {};
}
bool failing_call::happened() const {
    return current.happened;
}

} // namespace feddip::io::testing
