#include "base/error.hpp"
#include "hex.hpp"
#include "privacy/key_agreement.hpp"

#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>

using namespace feddip;
using namespace feddip::privacy;

namespace {

public_key key_from_hex(std::string_view digits) {
    public_key key;
    std::ranges::copy(from_hex(digits), key.begin());
    return key;
}

// RFC 7748, section 6.1.
const auto alice =
    key_pair::of(secret_from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
const auto bob =
    key_pair::of(secret_from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
constexpr std::string_view product = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";

const digest context{1, 2, 3};

} // namespace

TEST(KeyAgreement, DerivesPublicKeysAsTheRfcDoes) {
    EXPECT_EQ(alice.others, key_from_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
    EXPECT_EQ(bob.others, key_from_hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
}

TEST(KeyAgreement, HashesTheProductOfTheRfc) {
    auto hashed = from_hex("02");
    for (const auto& part : {from_hex(product), std::vector(alice.others.begin(), alice.others.end()),
                             std::vector(bob.others.begin(), bob.others.end())}) { // Alice's is smaller
        hashed.insert(hashed.end(), part.begin(), part.end());
    }
    secret expected;
    crypto_generichash(expected.bytes().data(), 32, hashed.data(), hashed.size(), context.data(),
                       context.size());
    EXPECT_EQ(agreed_key(alice, bob.others, key_use::masking, context), expected);
    EXPECT_EQ(agreed_key(bob, alice.others, key_use::masking, context), expected);
}

TEST(KeyAgreement, KeysDifferByUseAndContext) {
    const secret key = agreed_key(alice, bob.others, key_use::masking, context);
    EXPECT_NE(agreed_key(alice, bob.others, key_use::sealing, context), key);
    EXPECT_NE(agreed_key(alice, bob.others, key_use::masking, digest{1}), key);
    EXPECT_NE(agreed_key(key_pair::fresh(), bob.others, key_use::masking, context), key);
}

TEST(KeyAgreement, RefusesKeysOfLowOrder) {
    for (const std::string_view low : {"0000000000000000000000000000000000000000000000000000000000000000",
                                       "0100000000000000000000000000000000000000000000000000000000000000",
                                       "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                                       "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
        EXPECT_THROW(agreed_key(alice, key_from_hex(low), key_use::masking, context), error) << low;
    }
}

TEST(Sealing, OpensForWhoItIsFor) {
    const secret key = secret::fresh();
    const secret_pair content{secret::fresh(), secret::fresh()};
    const auto sealed = seal(key, content, 3, 5);
    const auto opened = open(key, sealed, 3, 5);
    EXPECT_EQ(opened.first, content.first);
    EXPECT_EQ(opened.second, content.second);
    EXPECT_NE(sealed, seal(key, content, 3, 5)) << "the nonce is fresh";

    EXPECT_THROW(open(secret::fresh(), sealed, 3, 5), error);
    EXPECT_THROW(open(key, sealed, 5, 3), error);
    EXPECT_THROW(open(key, sealed, 3, 4), error);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        auto altered = sealed;
        altered[i] ^= 0x10;
        EXPECT_THROW(open(key, altered, 3, 5), error) << i;
    }
}

TEST(Commitment, IsToOneSecretInOneContext) {
    const secret s = secret::fresh();
    EXPECT_EQ(commitment_to(s, context), commitment_to(secret(s.bytes()), context));
    EXPECT_NE(commitment_to(s, context), commitment_to(secret::fresh(), context));
    EXPECT_NE(commitment_to(s, context), commitment_to(s, digest{}));
}
