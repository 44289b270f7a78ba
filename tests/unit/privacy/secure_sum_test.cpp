#include "base/error.hpp"
#include "secure_sum_round.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

using namespace feddip;
using namespace feddip::privacy;

template <typename Word>
class SecureSum : public testing::Test {
protected:
    static secure_sum_terms terms_of(std::uint32_t clients, std::uint32_t threshold,
                                     std::uint64_t values = 9) {
        return {.run = 1,
                .round = 7,
                .clients = clients,
                .threshold = threshold,
                .values = values,
                .word_bits = 8 * sizeof(Word)};
    }
};
using words = testing::Types<std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(SecureSum, words);

TYPED_TEST(SecureSum, IsThePlainSum) {
    for (const auto& [clients, threshold] : {std::pair{2U, 2U}, {3U, 2U}, {5U, 5U}, {12U, 7U}}) {
        const auto terms = this->terms_of(clients, threshold, 5000);
        const auto inputs = inputs_for<TypeParam>(terms);
        const auto result = take_sum(terms, inputs, std::vector(clients, last_act::reveals));
        EXPECT_EQ(result.summed.size(), clients);
        EXPECT_EQ(result.sum, plain_sum(inputs, result.summed));
    }
}

// Any two of five clients leave, each anywhere.
TYPED_TEST(SecureSum, IsThePlainSumWithDropOutsAnywhereUpToTheThreshold) {
    const auto terms = this->terms_of(5, 3);
    const auto inputs = inputs_for<TypeParam>(terms);
    for (std::uint32_t one = 0; one < 5; ++one) {
        for (std::uint32_t other = 0; other < one; ++other) {
            for (int code = 0; code < 25; ++code) {
                std::vector until(5, last_act::reveals);
                until[one] = static_cast<last_act>(code % 5);
                until[other] = static_cast<last_act>(code / 5);
                std::vector<std::uint32_t> masked;
                for (std::uint32_t i = 0; i < 5; ++i) {
                    if (until[i] >= last_act::masks) {
                        masked.push_back(i);
                    }
                }
                const auto result = take_sum(terms, inputs, until);
                ASSERT_EQ(result.summed, masked) << one << ' ' << other << ' ' << code;
                ASSERT_EQ(result.sum, plain_sum(inputs, masked)) << one << ' ' << other << ' ' << code;
            }
        }
    }
}

TYPED_TEST(SecureSum, IsRefusedWhereMoreLeave) {
    const auto terms = this->terms_of(5, 3);
    const auto inputs = inputs_for<TypeParam>(terms);
    for (int code = 0; code < 64; ++code) { // three leave, each before the end
        std::vector until(5, last_act::reveals);
        until[0] = static_cast<last_act>(code % 4);
        until[2] = static_cast<last_act>(code / 4 % 4);
        until[3] = static_cast<last_act>(code / 16);
        ASSERT_THROW(take_sum(terms, inputs, until), error) << code;
    }
}

// All bytes that the server is given, and no 8 of them are a piece of anybody's input; a masked word is a
// plain one as rarely as chance has it.
TYPED_TEST(SecureSum, NoInputReachesTheServerUnmasked) {
    const auto terms = this->terms_of(5, 3, 400);
    auto inputs = inputs_for<TypeParam>(terms);
    std::ranges::fill(inputs[2], TypeParam{0}); // whose mask alone would be seen
    std::vector<std::vector<TypeParam>> seen(5);
    bytes all;
    take_sum<TypeParam>(terms, inputs, std::vector(5, last_act::reveals),
                        [&](last_act act, std::uint32_t i, bytes& m) {
                            all.insert(all.end(), m.begin(), m.end());
                            if (act == last_act::masks) {
                                seen[i] = decode<masked_input<TypeParam>>(m, terms).words;
                            }
                        });
    for (std::size_t i = 0; i < 5; ++i) {
        int equal = 0;
        for (std::size_t k = 0; k < 400; ++k) {
            equal += seen[i][k] == inputs[i][k] ? 1 : 0;
        }
        EXPECT_LE(equal, 1);
        const auto piece = std::as_bytes(std::span(inputs[i])).first(i == 2 ? 16 : 8);
        EXPECT_EQ(std::search(all.begin(), all.end(), piece.begin(), piece.end()), all.end()) << i;
    }
    // The masks of two clients don't cancel between them either, unless they are the only two.
    std::vector<TypeParam> of_two(400);
    for (std::size_t k = 0; k < 400; ++k) {
        of_two[k] = static_cast<TypeParam>(seen[0][k] + seen[1][k]);
    }
    EXPECT_NE(of_two, plain_sum(inputs, {0, 1}));
}

TYPED_TEST(SecureSum, FewerSharesThanTheThresholdGiveNoSecretBack) {
    const auto terms = this->terms_of(5, 4);
    public_key of_the_last{};
    commitment to_the_first{};
    std::vector<secret_share> self_mask, key; // of client 0, which stays, and 4, which leaves
    take_sum<TypeParam>(
        terms, inputs_for<TypeParam>(terms),
        {last_act::reveals, last_act::reveals, last_act::reveals, last_act::reveals, last_act::shares},
        [&](last_act act, std::uint32_t who, bytes& m) {
            if (act == last_act::announces && who == 4) {
                of_the_last = decode<announced_keys>(m, terms).masking;
            } else if (act == last_act::shares && who == 0) {
                to_the_first = decode<sent_shares>(m, terms).self_mask;
            } else if (act == last_act::reveals) {
                const auto revealed = decode<revealed_shares>(m, terms);
                const auto point = static_cast<std::uint16_t>(who + 1);
                self_mask.push_back({point, revealed.self_masks.front().values});
                key.push_back({point, revealed.keys.front().values});
            }
        });
    ASSERT_EQ(key.size(), 4U);
    EXPECT_EQ(commitment_to(combine(self_mask), digest_of(terms)), to_the_first);
    EXPECT_EQ(key_pair::of(combine(key)).others, of_the_last);

    for (std::size_t without = 0; without < 4; ++without) {
        auto fewer_of_mask = self_mask, fewer_of_key = key;
        fewer_of_mask.erase(fewer_of_mask.begin() + static_cast<std::ptrdiff_t>(without));
        fewer_of_key.erase(fewer_of_key.begin() + static_cast<std::ptrdiff_t>(without));
        EXPECT_NE(commitment_to(combine(fewer_of_mask), digest_of(terms)), to_the_first) << without;
        EXPECT_NE(key_pair::of(combine(fewer_of_key)).others, of_the_last) << without;
    }
}

TYPED_TEST(SecureSum, FreshSecretsMaskTheSameInputAnewEachTime) {
    const auto terms = this->terms_of(3, 2);
    const auto inputs = inputs_for<TypeParam>(terms);
    std::vector<bytes> sent;
    for (int i = 0; i < 2; ++i) {
        take_sum<TypeParam>(terms, inputs, std::vector(3, last_act::reveals),
                            [&](last_act act, std::uint32_t who, bytes& m) {
                                if (act == last_act::masks && who == 0) {
                                    sent.push_back(m);
                                }
                            });
    }
    EXPECT_NE(sent[0], sent[1]);
}

TYPED_TEST(SecureSum, SendsWhatTheTrafficSays) {
    for (const std::uint32_t clients : {2U, 7U}) {
        const auto terms = this->terms_of(clients, majority(clients), 31);
        std::uint64_t up = 0;
        take_sum<TypeParam>(terms, inputs_for<TypeParam>(terms), std::vector(clients, last_act::reveals),
                            [&](last_act, std::uint32_t, bytes& m) { up += m.size(); });
        EXPECT_EQ(up, clients * secure_sum_traffic(terms).up);
    }
}

TYPED_TEST(SecureSum, ChargesOneThatLeavesForWhatItSentBefore) {
    const auto terms = this->terms_of(5, 3, 31);
    std::uint64_t up = 0;
    take_sum<TypeParam>(
        terms, inputs_for<TypeParam>(terms),
        {last_act::reveals, last_act::reveals, last_act::reveals, last_act::reveals, last_act::shares},
        [&](last_act, std::uint32_t who, bytes& m) { up += who == 4 ? m.size() : 0; });
    EXPECT_EQ(up, secure_sum_traffic_of_leaving(terms).up);
}

// Messages of client 0, changed on the way: a round ends with a reason, or has the sum of those that stay.
TYPED_TEST(SecureSum, AlteredSecretsAreNoticed) {
    const auto terms = this->terms_of(5, 3);
    const auto inputs = inputs_for<TypeParam>(terms);
    const auto with = [&](last_act act, auto&& alter) {
        const auto result = take_sum<TypeParam>(terms, inputs, std::vector(5, last_act::reveals),
                                                [&](last_act a, std::uint32_t who, bytes& m) {
                                                    if (a == act && who == 0) {
                                                        alter(m);
                                                    }
                                                });
        EXPECT_EQ(result.sum, plain_sum(inputs, result.summed));
        return result.summed;
    };
    using clients = std::vector<std::uint32_t>;
    EXPECT_EQ(with(last_act::reveals, [](bytes&) {}), (clients{0, 1, 2, 3, 4}));
    constexpr std::size_t fields = 1 + 16 + 4;
    EXPECT_EQ(with(last_act::announces, [](bytes& m) { m[fields + 3] ^= std::byte{1}; }),
              (clients{1, 2, 3, 4}))
        << "its sealing key, which it sees to be another";
    EXPECT_EQ(with(last_act::announces, [](bytes& m) { m[fields + 35] ^= std::byte{1}; }),
              (clients{1, 2, 3, 4}))
        << "its masking key";
    EXPECT_THROW(with(last_act::shares, [](bytes& m) { m[fields + 3] ^= std::byte{1}; }), error)
        << "commitment";
    EXPECT_EQ(with(last_act::shares, [](bytes& m) { m.back() ^= std::byte{1}; }), (clients{0, 1, 2, 3}))
        << "what it has sealed for client 4, which leaves";
    EXPECT_THROW(with(last_act::reveals, [](bytes& m) { m[fields + 8] ^= std::byte{1}; }), error)
        << "a revealed share";

    // And of the key of one that left: client 4 sends no input.
    EXPECT_THROW(take_sum<TypeParam>(terms, inputs,
                                     {last_act::reveals, last_act::reveals, last_act::reveals,
                                      last_act::reveals, last_act::shares},
                                     [&](last_act a, std::uint32_t who, bytes& m) {
                                         if (a == last_act::reveals && who == 1) {
                                             m.back() ^= std::byte{1};
                                         }
                                     }),
                 error);
}

TYPED_TEST(SecureSum, RefusesTermsThatProtectNobody) {
    for (auto terms : {this->terms_of(1, 1), this->terms_of(4, 2), this->terms_of(4, 5),
                       this->terms_of(65536, 40000), this->terms_of(4, 3, 0)}) {
        EXPECT_THROW(check(terms), input_error);
        EXPECT_THROW(secure_sum_server<TypeParam>{terms}, input_error);
        EXPECT_THROW((secure_sum_client<TypeParam>{terms, 0}), input_error);
    }
    auto terms = this->terms_of(4, 3);
    EXPECT_NO_THROW(check(terms));
    EXPECT_THROW((secure_sum_client<TypeParam>{terms, 4}), input_error);
    terms.word_bits = 96 - terms.word_bits; // the other one
    EXPECT_NO_THROW(check(terms));
    EXPECT_THROW(secure_sum_server<TypeParam>{terms}, input_error);
    EXPECT_THROW((secure_sum_client<TypeParam>{terms, 0}), input_error);
    terms.word_bits = 16;
    EXPECT_THROW(check(terms), input_error);
}
