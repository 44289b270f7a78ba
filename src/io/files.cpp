#include "io/files.hpp"

#include "base/error.hpp"
#include "io/descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace feddip::io {

namespace {

namespace fs = std::filesystem;

fs::path folder_of(const fs::path& path) {
    return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

void write_file(const fs::path& path, std::span<const std::byte> content, flush when, readers who) {
    descriptor out(path, O_WRONLY | O_CREAT | O_TRUNC, who == readers::owner ? 0600 : 0666);
    out.write(content);
    if (when == flush::now) {
        out.flush();
    }
    out.close();
}

} // namespace

std::vector<std::byte> read_file(const fs::path& path) {
    const descriptor in(path, O_RDONLY);
    std::vector<std::byte> content(static_cast<std::size_t>(in.about().st_size));
    content.resize(in.read(content));
    return content;
}

void replace_file(const fs::path& target, std::span<const std::byte> content, flush when, readers who) {
    const fs::path temporary = target.string() + ".tmp";
    try {
        write_file(temporary, content, when, who);
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

void ensure_writable(const fs::path& path, bool resume, const char* what_cannot) {
    const fs::path folder = folder_of(path);
    std::error_code failure;
    if (!fs::is_directory(folder, failure)) {
        throw input_error(what_cannot, path.string(), "the folder " + folder.string() + " does not exist");
    }
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
        throw input_error(what_cannot, path.string(),
                          "the folder can't be written to: " + std::generic_category().message(errno));
    }
    if (fs::is_symlink(path, failure)) {
        throw input_error(
            what_cannot, path.string(),
            "it is a symbolic link, which would be replaced; name the file that it points to, " +
                (folder / fs::read_symlink(path, failure)).lexically_normal().string());
    }
    const fs::file_status there = fs::status(path, failure);
    if (!fs::exists(there)) {
        return;
    }
    if (!fs::is_regular_file(there)) {
        throw input_error(what_cannot, path.string(), "something that is not a file has this name");
    }
    if (!resume) {
        throw input_error(
            what_cannot, path.string(),
            "the file is already there; continue that run with --resume or choose another --out");
    }
}

} // namespace feddip::io
