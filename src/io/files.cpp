#include "io/files.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace feddip::io {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const char* what_failed, const fs::path& where) {
    throw error(what_failed, where.string(), std::generic_category().message(errno));
}

class descriptor {
public:
    descriptor(const fs::path& path, int flags)
        : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
        if (fd_ < 0) {
            fail("can't open file", path_);
        }
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    void write(std::span<const std::byte> content) const {
        while (!content.empty()) {
            const ssize_t written = ::write(fd_, content.data(), content.size());
            if (written < 0 && errno != EINTR) {
                fail("can't write file", path_);
            }
            content = content.subspan(static_cast<std::size_t>(written < 0 ? 0 : written));
        }
    }

    // Fills `content` or stops at the end of the file; returns the bytes read.
    std::size_t read(std::span<std::byte> content) const {
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

    void flush() const {
        // Some file systems can't flush a folder and say so with EINVAL; there is nothing more to do then.
        if (::fsync(fd_) != 0 && errno != EINVAL) {
            fail("can't flush to the disk", path_);
        }
    }

    std::size_t size() const {
        struct stat about {};
        if (::fstat(fd_, &about) != 0) {
            fail("can't read file", path_);
        }
        return static_cast<std::size_t>(about.st_size);
    }

    void close() {
        if (::close(std::exchange(fd_, -1)) != 0) {
            fail("can't close file", path_);
        }
    }

private:
    const fs::path& path_;
    int fd_;
};

fs::path folder_of(const fs::path& path) {
    return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

void write_file(const fs::path& path, std::span<const std::byte> content, flush when) {
    descriptor out(path, O_WRONLY | O_CREAT | O_TRUNC);
    out.write(content);
    if (when == flush::now) {
        out.flush();
    }
    out.close();
}

} // namespace

std::vector<std::byte> read_file(const fs::path& path) {
    const descriptor in(path, O_RDONLY);
    std::vector<std::byte> content(in.size());
    content.resize(in.read(content));
    return content;
}

void replace_file(const fs::path& target, std::span<const std::byte> content, flush when) {
    const fs::path temporary = target.string() + ".tmp";
    try {
        write_file(temporary, content, when);
        if (::rename(temporary.c_str(), target.c_str()) != 0) {
            fail("can't replace file", target);
        }
    } catch (...) {
        ::unlink(temporary.c_str());
        throw;
    }
    if (when == flush::now) {
        const fs::path folder = folder_of(target);
        descriptor(folder, O_RDONLY | O_DIRECTORY).flush();
    }
}

void ensure_writable(const fs::path& path, bool resume) {
    const fs::path folder = folder_of(path);
    std::error_code failure;
    if (!fs::is_directory(folder, failure)) {
        throw input_error("can't write results", path.string(),
                          "the folder " + folder.string() + " does not exist");
    }
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
        throw input_error("can't write results", path.string(),
                          "the folder can't be written to: " + std::generic_category().message(errno));
    }
    const fs::file_status there = fs::status(path, failure);
    if (!fs::exists(there)) {
        return;
    }
    if (!fs::is_regular_file(there)) {
        throw input_error("can't write results", path.string(), "something that is not a file has this name");
    }
    if (!resume) {
        throw input_error(
            "can't write results", path.string(),
            "the file is already there; continue that run with --resume or choose another --out");
    }
}

} // namespace feddip::io
