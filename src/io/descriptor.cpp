#include "io/descriptor.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace feddip::io {

void fail(const char* what_failed, const std::filesystem::path& where) {
    throw error(what_failed, where.string(), std::generic_category().message(errno));
}

descriptor::descriptor(const std::filesystem::path& path, int flags, mode_t permissions)
    : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, permissions)) {
    if (fd_ < 0) {
        fail("can't open file", path_);
    }
}

descriptor::descriptor(std::filesystem::path path, adopted opened) : path_(std::move(path)), fd_(opened.fd) {}

descriptor::~descriptor() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void descriptor::write(std::span<const std::byte> content) const {
    while (!content.empty()) {
        const ssize_t written = ::write(fd_, content.data(), content.size());
        if (written < 0 && errno != EINTR) {
            fail("can't write file", path_);
        }
        content = content.subspan(static_cast<std::size_t>(written < 0 ? 0 : written));
    }
}

std::size_t descriptor::read(std::span<std::byte> content) const {
    std::size_t done = 0;
    while (done < content.size()) {
        const ssize_t got = ::read(fd_, content.data() + done, content.size() - done);
        if (got < 0 && errno != EINTR) {
            fail("can't read file", path_);
        }
        if (got == 0) {
            break;
        }
        done += static_cast<std::size_t>(got < 0 ? 0 : got);
    }
    return done;
}

void descriptor::flush() const {
    // Some file systems can't flush a folder and say so with EINVAL; there is nothing more to do then.
    if (::fsync(fd_) != 0 && errno != EINVAL) {
        fail("can't flush to the disk", path_);
    }
}

struct stat descriptor::about() const {
    struct stat about {};
    if (::fstat(fd_, &about) != 0) {
        fail("can't read file", path_);
    }
    return about;
}

void descriptor::touch() const {
    if (::futimens(fd_, nullptr) != 0) {
        fail("can't renew file", path_);
    }
}

void descriptor::close() {
    if (::close(std::exchange(fd_, -1)) != 0) {
        fail("can't close file", path_);
    }
}

} // namespace feddip::io
