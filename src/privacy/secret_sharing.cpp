#include "privacy/secret_sharing.hpp"

#include "base/error.hpp"
#include "privacy/gf65536.hpp"
#include "privacy/sodium.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace feddip::privacy {

static_assert(std::endian::native == std::endian::little, "elements are taken as they lie in memory");

namespace {

using elements = std::array<std::uint16_t, secret::size / 2>;

elements elements_of(const secret& s) {
    elements e;
    std::memcpy(e.data(), s.bytes().data(), secret::size);
    return e;
}

secret secret_of(elements& e) {
    secret s;
    std::memcpy(s.bytes().data(), e.data(), secret::size);
    sodium_memzero(e.data(), sizeof e);
    return s;
}

// to = to * by + plus. Loops over elements innermost, which the compiler turns into a few vector
// instructions.
void multiply_add(elements& to, std::uint16_t by, const elements& plus) {
    elements product{};
    for (int bit = 15; bit >= 0; --bit) {
        const auto chosen = static_cast<std::uint16_t>(-((by >> bit) & 1));
        for (std::size_t i = 0; i < to.size(); ++i) {
            const auto overflow = static_cast<std::uint16_t>(-(product[i] >> 15));
            product[i] =
                static_cast<std::uint16_t>((product[i] << 1) ^ (overflow & 0x2BU) ^ (chosen & to[i]));
        }
    }
    for (std::size_t i = 0; i < to.size(); ++i) {
        to[i] = static_cast<std::uint16_t>(product[i] ^ plus[i]);
    }
}

} // namespace

std::vector<secret_share> split(const secret& whole, std::uint32_t shares, std::uint32_t threshold) {
    if (threshold == 0 || threshold > shares || shares > 65535) {
        throw input_error(
            fmt::format("a secret can't be split into {} shares of which {} give it back", shares, threshold),
            "secret sharing", "at least 1 of at most 65535 can");
    }
    need_sodium();
    std::vector<elements> coefficients(threshold); // of x^0, x^1 ...
    randombytes_buf(coefficients.data(), coefficients.size() * sizeof(elements));
    coefficients.front() = elements_of(whole);

    std::vector<secret_share> result(shares);
    for (std::uint32_t i = 0; i < shares; ++i) {
        const auto point = static_cast<std::uint16_t>(i + 1);
        elements value = coefficients.back(); // by Horner's rule
        for (std::size_t k = threshold - 1; k-- > 0;) {
            multiply_add(value, point, coefficients[k]);
        }
        result[i] = {point, secret_of(value)};
    }
    sodium_memzero(coefficients.data(), coefficients.size() * sizeof(elements));
    return result;
}

secret combine(std::span<const secret_share> shares) {
    const auto refuse = [](const std::string& why) {
        throw error("a secret can't be put together", "secret sharing", why);
    };
    if (shares.empty()) {
        refuse("there are no shares");
    }
    elements sum{};
    for (std::size_t i = 0; i < shares.size(); ++i) {
        const std::uint16_t x = shares[i].point;
        std::uint16_t above = 1, below = 1; // Lagrange at 0: the product over j of x_j / (x_j - x_i)
        for (std::size_t j = 0; j < shares.size(); ++j) {
            if (j != i) {
                above = gf_product(above, shares[j].point);
                below = gf_product(below, static_cast<std::uint16_t>(shares[j].point ^ x));
            }
        }
        if (x == 0 || below == 0) {
            refuse(x == 0 ? "a share is for point 0" : fmt::format("two shares are for point {}", x));
        }
        elements term = elements_of(shares[i].values);
        multiply_add(term, gf_product(above, gf_inverse(below)), sum);
        sum = term;
        sodium_memzero(term.data(), sizeof term);
    }
    return secret_of(sum);
}

} // namespace feddip::privacy
