#include "base/error.hpp"
#include "io/files.hpp"
#include "unit/io/example_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

namespace feddip::io {
namespace {

using ::testing::HasSubstr;
using testing::put;
using testing::scratch_folder;

std::vector<std::byte> bytes(std::size_t n, unsigned char value) {
    return std::vector<std::byte>(n, static_cast<std::byte>(value));
}

// Files can't grow past `size` bytes as long as this lives: what a full disk looks like to write().
class file_size_limit {
public:
    explicit file_size_limit(rlim_t size) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        rlimit now = before_;
        now.rlim_cur = size;
        ::setrlimit(RLIMIT_FSIZE, &now);
    }
    ~file_size_limit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

private:
    rlimit before_{};
    void (*handler_)(int);
};

std::string message_of_ensure(const std::filesystem::path& path, bool resume) {
    try {
        ensure_writable(path, resume);
    } catch (const input_error& e) {
        return e.what();
    }
    return "";
}

TEST(replace_file, makes_a_file_and_replaces_it) {
    const scratch_folder folder;
    replace_file(folder / "a", bytes(100, 1));
    replace_file(folder / "a", bytes(7, 2));
    EXPECT_EQ(read_file(folder / "a"), bytes(7, 2));
    EXPECT_FALSE(std::filesystem::exists(folder / "a.tmp"));
}

TEST(replace_file, does_the_same_when_the_disk_may_come_later) {
    const scratch_folder folder;
    replace_file(folder / "a", bytes(100, 1), flush::later);
    replace_file(folder / "a", bytes(7, 2), flush::later);
    EXPECT_EQ(read_file(folder / "a"), bytes(7, 2));
    EXPECT_FALSE(std::filesystem::exists(folder / "a.tmp"));
}

TEST(replace_file, writes_an_empty_file) {
    const scratch_folder folder;
    replace_file(folder / "a", {});
    EXPECT_TRUE(read_file(folder / "a").empty());
}

TEST(replace_file, leaves_the_file_as_it_was_when_the_disk_is_full) {
    const scratch_folder folder;
    replace_file(folder / "a", bytes(1000, 1));
    {
        const file_size_limit full(100000);
        EXPECT_THROW(replace_file(folder / "a", bytes(200000, 2)), error);
    }
    EXPECT_EQ(read_file(folder / "a"), bytes(1000, 1));
    EXPECT_FALSE(std::filesystem::exists(folder / "a.tmp"));
}

TEST(replace_file, overwrites_what_a_killed_run_left_half_written) {
    const scratch_folder folder;
    put(folder / "a.tmp", std::string(5000, 'x'));
    replace_file(folder / "a", bytes(10, 3));
    EXPECT_EQ(read_file(folder / "a"), bytes(10, 3));
    EXPECT_FALSE(std::filesystem::exists(folder / "a.tmp"));
}

TEST(replace_file, names_file_and_reason_when_the_folder_is_gone) {
    const scratch_folder folder;
    try {
        replace_file(folder / "no/a", bytes(1, 1));
        FAIL() << "nothing was thrown";
    } catch (const error& e) {
        EXPECT_THAT(e.what(), HasSubstr("no/a.tmp): No such file or directory"));
    }
}

TEST(read_file, throws_where_there_is_none) {
    const scratch_folder folder;
    EXPECT_THROW(read_file(folder / "a"), error);
}

TEST(ensure_writable, accepts_a_new_file_and_leaves_nothing_behind) {
    const scratch_folder folder;
    ensure_writable(folder / "a.h5", false);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ensure_writable, accepts_a_name_without_a_folder) {
    ensure_writable("a-results-file-that-is-not-there.h5", false);
}

TEST(ensure_writable, refuses_results_that_are_already_there_unless_resumed) {
    const scratch_folder folder;
    put(folder / "a.h5", "results");
    EXPECT_THAT(message_of_ensure(folder / "a.h5", false), HasSubstr("--resume"));
    EXPECT_EQ(message_of_ensure(folder / "a.h5", true), "");
}

TEST(ensure_writable, refuses_a_missing_folder) {
    const scratch_folder folder;
    EXPECT_THAT(message_of_ensure(folder / "no/a.h5", false), HasSubstr("does not exist"));
}

TEST(ensure_writable, refuses_a_folder_in_place_of_the_file) {
    const scratch_folder folder;
    std::filesystem::create_directory(folder / "a.h5");
    EXPECT_THAT(message_of_ensure(folder / "a.h5", true), HasSubstr("not a file"));
}

TEST(ensure_writable, refuses_a_link_which_would_be_replaced) {
    const scratch_folder folder;
    std::filesystem::create_directory(folder / "real");
    std::filesystem::create_symlink("real/a.h5", folder / "a.h5");
    for (const bool is_there : {false, true}) {
        for (const bool resume : {false, true}) {
            EXPECT_THAT(message_of_ensure(folder / "a.h5", resume),
                        HasSubstr("it is a symbolic link, which would be replaced; name the file that it "
                                  "points to, " +
                                  (folder / "real/a.h5").string()))
                << is_there;
        }
        put(folder / "real/a.h5", "results");
    }
}

TEST(ensure_writable, refuses_a_folder_that_is_read_only) {
    const scratch_folder folder;
    ::chmod(folder.path().c_str(), 0555);
    if (::access(folder.path().c_str(), W_OK) == 0) {
        GTEST_SKIP() << "root may write everywhere";
    }
    EXPECT_THAT(message_of_ensure(folder / "a.h5", false), HasSubstr("can't be written to"));
}

} // namespace
} // namespace feddip::io
