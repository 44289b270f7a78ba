#include "base/error.hpp"
#include "hex.hpp"
#include "privacy/gf65536.hpp"
#include "privacy/secret_sharing.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

using namespace feddip;
using namespace feddip::privacy;

// The powers of x by hand: x^16 = x^5 + x^3 + x + 1, x^17 = x^6 + x^4 + x^2 + x.
TEST(Gf65536, ReducesByItsPolynomial) {
    EXPECT_EQ(gf_product(2, 0x8000), 0x2B);
    EXPECT_EQ(gf_product(4, 0x8000), 0x56);
    EXPECT_EQ(gf_product(3, 7), 9) << "(x + 1)(x^2 + x + 1) = x^3 + 1";
    EXPECT_EQ(gf_product(0x1234, 1), 0x1234);
    EXPECT_EQ(gf_inverse(0), 0);
}

// A ring in which all but 0 can be divided by is a field: the polynomial is irreducible.
TEST(Gf65536, IsAField) {
    for (unsigned a = 1; a < 65536; ++a) {
        const auto element = static_cast<std::uint16_t>(a);
        ASSERT_EQ(gf_product(element, gf_inverse(element)), 1) << a;
    }
}

// The line through (1, a) and (2, b) is a + (a + b) / (1 + 2) at 0 after a step of 1: 3 is the inverse asked
// for.
TEST(SecretSharing, InterpolatesALine) {
    const secret a = secret::fresh(), b = secret::fresh();
    const std::vector<secret_share> shares{{1, a}, {2, b}};
    const secret whole = combine(shares);
    for (std::size_t i = 0; i < secret::size; i += 2) {
        const auto element = [i](const secret& s) {
            return static_cast<std::uint16_t>(s.bytes()[i] | s.bytes()[i + 1] << 8);
        };
        const auto slope = gf_product(static_cast<std::uint16_t>(element(a) ^ element(b)), gf_inverse(3));
        EXPECT_EQ(element(whole), element(a) ^ slope);
    }
}

TEST(SecretSharing, EveryLargeEnoughSubsetGivesTheSecretBack) {
    for (std::uint32_t n = 1; n <= 7; ++n) {
        for (std::uint32_t t = 1; t <= n; ++t) {
            const secret whole = secret::fresh();
            const auto shares = split(whole, n, t);
            ASSERT_EQ(shares.size(), n);
            for (unsigned subset = 1; subset < 1U << n; ++subset) {
                std::vector<secret_share> chosen;
                for (std::uint32_t i = n; i-- > 0;) {
                    if ((subset >> i & 1U) != 0) {
                        chosen.push_back(shares[i]);
                    }
                }
                ASSERT_EQ(combine(chosen) == whole, chosen.size() >= t) << n << ' ' << t << ' ' << subset;
            }
        }
    }
}

TEST(SecretSharing, TooFewSharesGoWithAnySecret) {
    const auto shares = split(secret::fresh(), 5, 3);
    const secret wanted = secret::fresh();
    // The third share that makes two given ones those of `wanted` exists: interpolate through (0, wanted) to
    // point 3.
    const auto at = [](const secret_share& share, std::size_t i) {
        return static_cast<std::uint16_t>(share.values.bytes()[i] | share.values.bytes()[i + 1] << 8);
    };
    secret_share third{3, {}};
    for (std::size_t i = 0; i < secret::size; i += 2) {
        const auto w = static_cast<std::uint16_t>(wanted.bytes()[i] | wanted.bytes()[i + 1] << 8);
        // Lagrange at 3 over the points 0, 1, 2; differences are exclusive ors.
        const auto over = [](std::uint16_t a, std::uint16_t b) { return gf_product(a, gf_inverse(b)); };
        const std::uint16_t value = static_cast<std::uint16_t>(
            gf_product(w, over(gf_product(3 ^ 1, 3 ^ 2), gf_product(0 ^ 1, 0 ^ 2))) ^
            gf_product(at(shares[0], i), over(gf_product(3 ^ 0, 3 ^ 2), gf_product(1 ^ 0, 1 ^ 2))) ^
            gf_product(at(shares[1], i), over(gf_product(3 ^ 0, 3 ^ 1), gf_product(2 ^ 0, 2 ^ 1))));
        third.values.bytes()[i] = static_cast<std::uint8_t>(value);
        third.values.bytes()[i + 1] = static_cast<std::uint8_t>(value >> 8);
    }
    EXPECT_EQ(combine(std::vector{shares[0], shares[1], third}), wanted);
}

TEST(SecretSharing, ManySharesWork) {
    const secret whole = secret::fresh();
    const auto shares = split(whole, 300, 151);
    EXPECT_EQ(combine(std::span(shares).last(151)), whole);
    EXPECT_NE(combine(std::span(shares).last(150)), whole);
    EXPECT_EQ(shares.back().point, 300);
}

TEST(SecretSharing, RefusesWhatIsNoSharing) {
    EXPECT_THROW(split(secret(), 3, 0), input_error);
    EXPECT_THROW(split(secret(), 3, 4), input_error);
    EXPECT_THROW(split(secret(), 65536, 4), input_error);
    EXPECT_THROW(combine({}), error);
    EXPECT_THROW(combine(std::vector<secret_share>{{0, secret()}, {1, secret()}}), error);
    EXPECT_THROW(combine(std::vector<secret_share>{{2, secret()}, {1, secret()}, {2, secret()}}), error);
}
