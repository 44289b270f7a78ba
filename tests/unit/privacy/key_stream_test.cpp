#include "hex.hpp"
#include "privacy/key_stream.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string_view>
#include <vector>

using namespace feddip::privacy;

// RFC 8439, appendix A.1, test vectors 1 and 2: the first two blocks under key and nonce 0.
TEST(KeyStream, IsChaCha20) {
    key_stream stream(secret(), 0);
    std::vector<std::uint8_t> bytes(128);
    stream.fill(bytes);
    EXPECT_EQ(bytes, from_hex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
                              "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
                              "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
                              "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"));
}

// RFC 8439, section 2.4.2, which encrypts from block 1 on.
TEST(KeyStream, TakesItsNumberAsNonce) {
    constexpr std::string_view text =
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
        "the future, sunscreen would be it.";
    key_stream stream(secret_from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
                      std::uint64_t{0x4a} << 56);
    std::vector<std::uint8_t> bytes(64 + text.size());
    stream.fill(bytes);
    bytes.erase(bytes.begin(), bytes.begin() + 64);
    for (std::size_t i = 0; i < text.size(); ++i) {
        bytes[i] ^= static_cast<std::uint8_t>(text[i]);
    }
    EXPECT_EQ(
        bytes,
        from_hex("6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dab"
                 "cd62b3571639d624e65152ab8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806"
                 "818ce91ab77937365af90bbf74a35be6b40b8eedf2785e42874d"));
}

TEST(KeyStream, WordsAreItsBytes) {
    const secret key = secret::fresh();
    key_stream as_bytes(key, 3, 1), as_words(key, 3, 1);
    std::vector<std::uint64_t> words(500);
    as_bytes.fill({reinterpret_cast<std::uint8_t*>(words.data()), words.size() * 8});
    for (const auto word : words) {
        ASSERT_EQ(as_words(), word);
    }
}

TEST(KeyStream, DiffersByKeyNumberAndPart) {
    const secret key = secret::fresh();
    const auto first = [](const secret& k, std::uint64_t number, std::uint32_t part) {
        return key_stream(k, number, part)();
    };
    EXPECT_EQ(first(key, 1, 2), first(key, 1, 2));
    EXPECT_NE(first(key, 1, 2), first(secret::fresh(), 1, 2));
    EXPECT_NE(first(key, 1, 2), first(key, 2, 2));
    EXPECT_NE(first(key, 1, 2), first(key, 1, 3));
}

template <typename Word>
class Masks : public testing::Test {};
using words = testing::Types<std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(Masks, words);

TYPED_TEST(Masks, AreTheStreamAndComeOffAgain) {
    const secret key = secret::fresh();
    const std::size_t length = 4096 / sizeof(TypeParam) + 7; // past a chunk
    std::vector<TypeParam> stream(length), masked(length, TypeParam{5});
    key_stream(key, 0).fill({reinterpret_cast<std::uint8_t*>(stream.data()), length * sizeof(TypeParam)});
    add_stream(key, std::span(masked));
    for (std::size_t i = 0; i < length; ++i) {
        ASSERT_EQ(masked[i], static_cast<TypeParam>(stream[i] + 5)) << i;
    }
    subtract_stream(key, std::span(masked));
    EXPECT_EQ(masked, std::vector<TypeParam>(length, 5));
}
