// The bytes of a file from front to back, uncompressed on the way if they are gzip.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct z_stream_s;

namespace feddip::data {

// Nothing is allocated by what the bytes claim, so that damaged and hostile files end in an input_error,
// which names `where` and says what was expected.
class byte_source {
public:
    // Fills the front of the span and returns how much; 0 at the end.
    using pull = std::function<std::size_t(std::span<std::uint8_t>)>;

    byte_source(pull raw, std::string where);
    ~byte_source();
    byte_source(byte_source&&) noexcept;
    byte_source& operator=(byte_source&&) noexcept;

    // The size of the whole content, as far as it is known, for messages.
    void expect_size(std::size_t size) { expected_ = size; }
    // Fills all of `out`.
    void read(std::span<std::uint8_t> out);
    // The content must be over here, the gzip checksum right, and nothing may follow.
    void expect_end();

    const std::string& where() const { return where_; }
    [[noreturn]] void fail(const std::string& why) const;

private:
    struct closer {
        void operator()(z_stream_s* stream) const;
    };

    bool refill();
    std::size_t some(std::span<std::uint8_t> out);
    std::size_t some_plain(std::span<std::uint8_t> out);
    std::size_t some_inflated(std::span<std::uint8_t> out);

    pull raw_;
    std::string where_;
    std::vector<std::uint8_t> buffer_;
    std::span<const std::uint8_t> pending_;    // of buffer_, not used yet
    std::unique_ptr<z_stream_s, closer> gzip_; // null: plain bytes
    bool gzip_ended_ = false;
    std::size_t delivered_ = 0; // bytes
    std::size_t expected_ = 0;  // bytes; 0: not known
};

// Throws input_error if `file` is not a regular file that can be read.
byte_source open_file(const std::filesystem::path& file);
// `bytes` must outlive the result.
byte_source open_memory(std::span<const std::uint8_t> bytes, std::string where);

} // namespace feddip::data
