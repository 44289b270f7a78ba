// Files that are replaced as a whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

namespace feddip::io {

// Throws error when the file can't be read.
std::vector<std::byte> read_file(const std::filesystem::path& path);

enum class flush {
    now,   // to the disk: the file outlives a crash of the machine
    later, // when the system sees fit: the file outlives the process, and costs no waiting
};

enum class readers { all, owner }; // all that the umask lets

// Puts `content` at `target`: written to `target` + ".tmp", flushed, renamed, and the folder flushed. At
// every moment `target` is either what it was or the new content. Throws error when any of it fails, and
// leaves `target` as it was, unless all but the folder's flush was done. One process at a time per target.
void replace_file(const std::filesystem::path& target, std::span<const std::byte> content,
                  flush when = flush::now, readers who = readers::all);

// Checks, before a run starts, that replace_file can put results at `path`: its folder exists and can be
// written to, and nothing is there yet, or a regular file when the run is resumed, but no link to one. Throws
// input_error.
void ensure_writable(const std::filesystem::path& path, bool resume,
                     const char* what_cannot = "can't write results");

} // namespace feddip::io
