#include "privacy/key_stream.hpp"

#include "base/error.hpp"
#include "privacy/sodium.hpp"

#include <sodium.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

namespace feddip::privacy {

static_assert(std::endian::native == std::endian::little, "words are taken as they lie in memory");

key_stream::key_stream(const secret& key, std::uint64_t number, std::uint32_t part) : key_(key) {
    need_sodium();
    std::memcpy(nonce_.data(), &number, sizeof number);
    std::memcpy(nonce_.data() + sizeof number, &part, sizeof part);
}

key_stream::~key_stream() {
    sodium_memzero(buffer_.data(), sizeof buffer_);
}

key_stream::result_type key_stream::operator()() {
    if (used_ == buffer_.size()) {
        fill({reinterpret_cast<std::uint8_t*>(buffer_.data()), sizeof buffer_});
        used_ = 0;
    }
    return buffer_[used_++];
}

void key_stream::fill(std::span<std::uint8_t> bytes) {
    constexpr std::size_t block = 64;
    const std::uint64_t blocks = (bytes.size() + block - 1) / block;
    if (next_block_ + blocks > std::uint64_t{1} << 32) {
        throw error("a key stream has ended", "drawing random words", "256 GiB is all that one nonce gives");
    }
    std::memset(bytes.data(), 0, bytes.size());
    crypto_stream_chacha20_ietf_xor_ic(bytes.data(), bytes.data(), bytes.size(), nonce_.data(),
                                       static_cast<std::uint32_t>(next_block_), key_.bytes().data());
    next_block_ += blocks;
}

namespace {

template <typename Word, typename Operation>
void combine_with_stream(const secret& key, std::span<Word> words, Operation&& operation) {
    key_stream stream(key, 0);
    std::array<Word, 4096 / sizeof(Word)> chunk;
    for (std::size_t i = 0; i < words.size(); i += chunk.size()) {
        const std::span part = words.subspan(i, std::min(chunk.size(), words.size() - i));
        stream.fill({reinterpret_cast<std::uint8_t*>(chunk.data()), part.size_bytes()});
        std::ranges::transform(part, chunk, part.begin(), operation);
    }
    sodium_memzero(chunk.data(), sizeof chunk);
}

} // namespace

template <typename Word>
void add_stream(const secret& key, std::span<Word> words) {
    combine_with_stream(key, words, std::plus<Word>());
}
template <typename Word>
void subtract_stream(const secret& key, std::span<Word> words) {
    combine_with_stream(key, words, std::minus<Word>());
}

template void add_stream(const secret&, std::span<std::uint32_t>);
template void add_stream(const secret&, std::span<std::uint64_t>);
template void subtract_stream(const secret&, std::span<std::uint32_t>);
template void subtract_stream(const secret&, std::span<std::uint64_t>);

} // namespace feddip::privacy
