#include "base/error.hpp"
#include "data/byte_source.hpp"
#include "unit/data/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace feddip::data {
namespace {

using test::bytes;
using test::operator+;
using testing::HasSubstr;

bytes read_all(byte_source source, std::size_t size) {
    bytes out(size);
    source.read(out);
    source.expect_end();
    return out;
}

std::string complaint_about(const bytes& content, std::size_t size) {
    return test::message_of<input_error>([&] { read_all(open_memory(content, "a file"), size); });
}

// Large enough to fill the reader's buffer more than once, and hard to compress.
bytes noise(std::size_t size) {
    std::mt19937 random(7);
    bytes out(size);
    std::ranges::generate(out, [&] { return static_cast<std::uint8_t>(random()); });
    return out;
}

TEST(byte_source, gives_back_plain_bytes) {
    const bytes content = noise(500'000);

    EXPECT_EQ(read_all(open_memory(content, "a file"), content.size()), content);
}

TEST(byte_source, uncompresses_gzip) {
    const bytes content = noise(500'000);

    EXPECT_EQ(read_all(open_memory(test::gzip(content), "a file"), content.size()), content);
}

TEST(byte_source, reads_the_same_in_many_small_steps_as_in_one) {
    const bytes content = noise(300'000);
    const bytes packed = test::gzip(content);
    auto source = open_memory(packed, "a file");

    bytes out(content.size());
    std::size_t at = 0;
    for (std::size_t step = 1; at < out.size(); at += step, step = step * 3 % 1009 + 1) {
        step = std::min(step, out.size() - at);
        source.read(std::span(out).subspan(at, step));
    }

    source.expect_end();
    EXPECT_EQ(out, content);
}

TEST(byte_source, says_where_plain_bytes_end_too_early) {
    EXPECT_THAT(complaint_about(test::counting(10), 11),
                HasSubstr("(a file): it ends after 10 bytes, expected at least 11"));
}

TEST(byte_source, refuses_plain_bytes_that_go_on) {
    EXPECT_THAT(complaint_about(test::counting(12), 11), HasSubstr("goes on after the expected 11 bytes"));
}

TEST(byte_source, refuses_uncompressed_content_that_is_too_short_or_too_long) {
    const bytes packed = test::gzip(test::counting(11));

    EXPECT_THAT(complaint_about(packed, 12), HasSubstr("it ends after 11 bytes, expected at least 12"));
    EXPECT_THAT(complaint_about(packed, 10), HasSubstr("goes on after the expected 10 bytes"));
}

TEST(byte_source, refuses_every_truncation_of_a_gzip_stream) {
    const bytes packed = test::gzip(test::counting(1000));
    for (std::size_t size = 0; size < packed.size(); ++size) {
        const bytes cut(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));

        EXPECT_NE(complaint_about(cut, 1000), "") << "of " << size << " bytes";
    }
}

TEST(byte_source, never_gives_wrong_content_for_a_flipped_bit) {
    const bytes content = test::counting(1000);
    const bytes packed = test::gzip(content);
    for (std::size_t bit = 0; bit < packed.size() * 8; ++bit) {
        bytes damaged = packed;
        damaged[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        bytes out;

        // Some header bits (time, operating system) mean nothing for the content.
        const std::string complaint =
            test::message_of<input_error>([&] { out = read_all(open_memory(damaged, "a file"), 1000); });
        EXPECT_TRUE(!complaint.empty() || out == content) << "bit " << bit;
    }
}

TEST(byte_source, names_a_wrong_gzip_checksum) {
    bytes packed = test::gzip(test::counting(1000));
    packed[packed.size() - 8] ^= 1;

    EXPECT_THAT(complaint_about(packed, 1000),
                HasSubstr("damaged after 1000 uncompressed bytes (incorrect data check)"));
}

TEST(byte_source, refuses_bytes_after_a_gzip_stream) {
    const bytes packed = test::gzip(test::counting(1000));

    EXPECT_THAT(complaint_about(packed + bytes{0}, 1000), HasSubstr("after the end of the gzip stream"));
    EXPECT_THAT(complaint_about(packed + packed, 1000), HasSubstr("after the end of the gzip stream"));
}

TEST(byte_source, reads_files) {
    const test::temporary_folder folder;
    const bytes content = noise(200'000);
    test::write_file(folder.path() / "plain", content);
    test::write_file(folder.path() / "packed", test::gzip(content));

    EXPECT_EQ(read_all(open_file(folder.path() / "plain"), content.size()), content);
    EXPECT_EQ(read_all(open_file(folder.path() / "packed"), content.size()), content);
}

TEST(byte_source, refuses_what_is_not_a_readable_file) {
    const test::temporary_folder folder;
    const auto complaint = [&](const char* name) {
        return test::message_of<input_error>([&] { open_file(folder.path() / name); });
    };
    std::filesystem::create_directory(folder.path() / "folder");
    ASSERT_EQ(mkfifo((folder.path() / "pipe").c_str(), 0600), 0);

    EXPECT_THAT(complaint("absent"), HasSubstr("absent): No such file"));
    EXPECT_THAT(complaint("folder"), HasSubstr("not a regular file"));
    EXPECT_THAT(complaint("pipe"), HasSubstr("not a regular file"));
    if (geteuid() != 0) {
        test::write_file(folder.path() / "forbidden", {1, 2, 3});
        std::filesystem::permissions(folder.path() / "forbidden", std::filesystem::perms::none);
        EXPECT_THAT(complaint("forbidden"), HasSubstr("Permission denied"));
    }
}

} // namespace
} // namespace feddip::data
