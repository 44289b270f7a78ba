#include "data/byte_source.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace feddip::data {

namespace {

constexpr std::size_t buffer_size = std::size_t{1} << 15;
constexpr int gzip_window_bits = 15 + 16; // the largest window, gzip header and trailer expected

bool looks_like_gzip(std::span<const std::uint8_t> start) {
    return start.size() >= 2 && start[0] == 0x1f && start[1] == 0x8b;
}

[[noreturn]] void fail_to_read(const std::string& where, const std::string& why) {
    throw input_error("cannot read data", where, why);
}

} // namespace

void byte_source::closer::operator()(z_stream_s* stream) const {
    inflateEnd(stream);
    delete stream;
}

byte_source::byte_source(pull raw, std::string where)
    : raw_(std::move(raw)), where_(std::move(where)), buffer_(buffer_size) {
    refill();
    if (looks_like_gzip(pending_)) {
        auto stream = std::make_unique<z_stream_s>();
        if (inflateInit2(stream.get(), gzip_window_bits) != Z_OK) {
            throw error("cannot start to uncompress", where_, "zlib does not initialize");
        }
        gzip_.reset(stream.release());
    }
}

byte_source::~byte_source() = default;
byte_source::byte_source(byte_source&&) noexcept = default;
byte_source& byte_source::operator=(byte_source&&) noexcept = default;

void byte_source::read(std::span<std::uint8_t> out) {
    const std::size_t wanted = delivered_ + out.size();
    while (!out.empty()) {
        const std::size_t got = some(out);
        if (got == 0) {
            fail(fmt::format("it ends after {} bytes, expected {}{}", delivered_,
                             expected_ != 0 ? "" : "at least ", std::max(expected_, wanted)));
        }
        delivered_ += got;
        out = out.subspan(got);
    }
}

void byte_source::expect_end() {
    std::uint8_t surplus = 0;
    if (some(std::span(&surplus, 1)) != 0) {
        fail(fmt::format("it goes on after the expected {} bytes", delivered_));
    }
    if (gzip_ && (!pending_.empty() || refill())) {
        fail("there are bytes after the end of the gzip stream");
    }
}

void byte_source::fail(const std::string& why) const {
    fail_to_read(where_, why + "; fetch it again with data/get.sh");
}

bool byte_source::refill() {
    const std::size_t got = raw_(buffer_);
    pending_ = std::span<const std::uint8_t>(buffer_).first(got);
    return got != 0;
}

std::size_t byte_source::some(std::span<std::uint8_t> out) {
    return gzip_ ? some_inflated(out) : some_plain(out);
}

std::size_t byte_source::some_plain(std::span<std::uint8_t> out) {
    if (pending_.empty() && !refill()) {
        return 0;
    }
    const std::size_t count = std::min(out.size(), pending_.size());
    std::ranges::copy(pending_.first(count), out.begin());
    pending_ = pending_.subspan(count);
    return count;
}

std::size_t byte_source::some_inflated(std::span<std::uint8_t> out) {
    const std::size_t wanted = std::min(out.size(), buffer_size);
    std::size_t got = 0;
    while (got == 0 && !gzip_ended_) {
        if (pending_.empty() && !refill()) {
            fail(fmt::format("the gzip stream breaks off after {} uncompressed bytes", delivered_));
        }
        gzip_->next_in = const_cast<Bytef*>(pending_.data()); // zlib does not write there
        gzip_->avail_in = static_cast<uInt>(pending_.size());
        gzip_->next_out = out.data();
        gzip_->avail_out = static_cast<uInt>(wanted);
        const int status = inflate(gzip_.get(), Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
            fail(fmt::format("the gzip data is damaged after {} uncompressed bytes ({})",
                             delivered_ + wanted - gzip_->avail_out,
                             gzip_->msg != nullptr ? gzip_->msg : "unknown"));
        }
        pending_ = pending_.last(gzip_->avail_in);
        got = wanted - gzip_->avail_out;
        gzip_ended_ = status == Z_STREAM_END;
    }
    return got;
}

byte_source open_file(const std::filesystem::path& file) {
    const std::string where = file.string();
    std::error_code failure;
    const auto status = std::filesystem::status(file, failure);
    if (failure) {
        fail_to_read(where, failure.message());
    }
    if (!std::filesystem::is_regular_file(status)) {
        fail_to_read(where, "it is not a regular file");
    }
    std::shared_ptr<std::FILE> handle(std::fopen(file.c_str(), "rb"), [](std::FILE* f) {
        if (f != nullptr) {
            std::fclose(f);
        }
    });
    if (!handle) {
        fail_to_read(where, std::strerror(errno));
    }
    auto raw = [handle, where](std::span<std::uint8_t> out) {
        const std::size_t got = std::fread(out.data(), 1, out.size(), handle.get());
        if (got < out.size() && std::ferror(handle.get()) != 0) {
            fail_to_read(where, std::strerror(errno));
        }
        return got;
    };
    return {raw, where};
}

byte_source open_memory(std::span<const std::uint8_t> bytes, std::string where) {
    auto raw = [bytes](std::span<std::uint8_t> out) mutable {
        const std::size_t count = std::min(out.size(), bytes.size());
        std::ranges::copy(bytes.first(count), out.begin());
        bytes = bytes.subspan(count);
        return count;
    };
    return {raw, std::move(where)};
}

} // namespace feddip::data
