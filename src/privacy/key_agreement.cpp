#include "privacy/key_agreement.hpp"

#include "base/error.hpp"
#include "privacy/sodium.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace feddip::privacy {

static_assert(crypto_scalarmult_BYTES == 32 && crypto_scalarmult_SCALARBYTES == secret::size);
static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == secret::size);
static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == 24 &&
              crypto_aead_xchacha20poly1305_ietf_ABYTES == 16);

namespace {

constexpr std::size_t nonce_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;

std::array<std::uint8_t, 8> who(std::uint32_t from, std::uint32_t to) {
    std::array<std::uint8_t, 8> bytes;
    std::memcpy(bytes.data(), &from, sizeof from);
    std::memcpy(bytes.data() + sizeof from, &to, sizeof to);
    return bytes;
}

} // namespace

key_pair key_pair::fresh() {
    return of(secret::fresh());
}

key_pair key_pair::of(const secret& own) {
    key_pair pair{own, {}};
    crypto_scalarmult_base(pair.others.data(), own.bytes().data());
    return pair;
}

secret agreed_key(const key_pair& mine, const public_key& theirs, key_use use, const digest& context) {
    need_sodium();
    secret product;
    if (crypto_scalarmult(product.bytes().data(), mine.own.bytes().data(), theirs.data()) != 0) {
        throw error("a key is refused", "key agreement", "no secret belongs to it");
    }
    const auto& [smaller, larger] = std::minmax(mine.others, theirs);
    const auto label = static_cast<std::uint8_t>(use);
    crypto_generichash_state state;
    crypto_generichash_init(&state, context.data(), context.size(), secret::size);
    crypto_generichash_update(&state, &label, sizeof label);
    crypto_generichash_update(&state, product.bytes().data(), secret::size);
    crypto_generichash_update(&state, smaller.data(), smaller.size());
    crypto_generichash_update(&state, larger.data(), larger.size());
    secret key;
    crypto_generichash_final(&state, key.bytes().data(), secret::size);
    sodium_memzero(&state, sizeof state);
    return key;
}

commitment commitment_to(const secret& value, const digest& context) {
    commitment c;
    crypto_generichash(c.data(), c.size(), value.bytes().data(), secret::size, context.data(),
                       context.size());
    return c;
}

sealed_pair seal(const secret& key, const secret_pair& content, std::uint32_t from, std::uint32_t to) {
    need_sodium();
    std::array<std::uint8_t, 2 * secret::size> plain;
    std::ranges::copy(content.first.bytes(), plain.begin());
    std::ranges::copy(content.second.bytes(), plain.begin() + secret::size);
    sealed_pair sealed;
    randombytes_buf(sealed.data(), nonce_size);
    const auto names = who(from, to);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data() + nonce_size, nullptr, plain.data(),
                                               plain.size(), names.data(), names.size(), nullptr,
                                               sealed.data(), key.bytes().data());
    sodium_memzero(plain.data(), plain.size());
    return sealed;
}

secret_pair open(const secret& key, const sealed_pair& sealed, std::uint32_t from, std::uint32_t to) {
    std::array<std::uint8_t, 2 * secret::size> plain;
    const auto names = who(from, to);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, sealed.data() + nonce_size,
                                                   sealed.size() - nonce_size, names.data(), names.size(),
                                                   sealed.data(), key.bytes().data()) != 0) {
        throw error("sealed shares can't be opened", "key agreement",
                    fmt::format("they are not what client {} sealed for client {}", from, to));
    }
    const std::span<const std::uint8_t, 2 * secret::size> both(plain);
    secret_pair content{secret(both.first<secret::size>()), secret(both.last<secret::size>())};
    sodium_memzero(plain.data(), plain.size());
    return content;
}

} // namespace feddip::privacy
