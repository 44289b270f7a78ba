// An open file, by the calls of the system.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <span>

namespace feddip::io {

// Throws error with what errno says.
[[noreturn]] void fail(const char* what_failed, const std::filesystem::path& where);

// Everything throws error with the file's name and the system's reason.
class descriptor {
public:
    struct adopted {
        int fd;
    };
    // `permissions`: of a file that this makes, less what the umask takes.
    descriptor(const std::filesystem::path& path, int flags, mode_t permissions = 0666);
    // Takes over what the system has opened.
    descriptor(std::filesystem::path path, adopted opened);
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor();

    void write(std::span<const std::byte> content) const;
    // Fills `content` or stops at the end of the file; returns the bytes read.
    std::size_t read(std::span<std::byte> content) const;
    void flush() const;
    struct stat about() const;
    // Makes the file as new as the file system's clock says.
    void touch() const;
    void close();

private:
    std::filesystem::path path_;
    int fd_;
};

} // namespace feddip::io
