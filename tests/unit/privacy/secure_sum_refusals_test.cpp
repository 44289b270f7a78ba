// What the two sides of a secure sum make of each other's messages where those are wrong or come at the wrong
// time.
#include "base/error.hpp"
#include "secure_sum_round.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

using namespace feddip;
using namespace feddip::privacy;
using testing::ElementsAre;

namespace {

using client = secure_sum_client<std::uint32_t>;
using server = secure_sum_server<std::uint32_t>;

const secure_sum_terms terms{
    .run = 1, .round = 2, .clients = 3, .threshold = 2, .values = 4, .word_bits = 32};
const std::vector<std::uint32_t> input{1, 2, 3, 4};

struct federation {
    std::vector<client> clients{client(terms, 0), client(terms, 1), client(terms, 2)};
    server rank0{terms};
    std::vector<bytes> sent; // of the latest stage

    template <typename F>
    void stage(F&& act) {
        sent.clear();
        for (std::uint32_t i = 0; i < 3; ++i) {
            sent.push_back(act(i));
            rank0.receive(sent.back());
        }
        rank0.close();
    }
    void announce() {
        stage([&](auto i) { return clients[i].announce_keys(); });
    }
    void share() {
        stage([&](auto i) { return clients[i].share_secrets(rank0.message_for(i)); });
    }
    void mask() {
        stage([&](auto i) { return clients[i].mask(rank0.message_for(i), input); });
    }
};

bytes changed(bytes message, std::size_t at) {
    message[at] ^= std::byte{1};
    return message;
}

} // namespace

TEST(SecureSumServer, RefusesDamagedMessagesAndStaysAsItWas) {
    server rank0(terms);
    const bytes good = client(terms, 0).announce_keys();
    for (std::size_t length = 0; length < good.size(); ++length) {
        EXPECT_THROW(rank0.receive(std::span(good).first(length)), error) << length;
    }
    bytes longer = good;
    longer.push_back(std::byte{0});
    EXPECT_THROW(rank0.receive(longer), error);
    for (std::size_t at = 0; at < 17; ++at) {
        EXPECT_THROW(rank0.receive(changed(good, at)), error) << "kind or terms, byte " << at;
    }
    bytes elsewhere = good;
    elsewhere[17] = std::byte{3};
    EXPECT_THROW(rank0.receive(elsewhere), error) << "client 3 of 3";
    EXPECT_NO_THROW(rank0.receive(good));
    EXPECT_THROW(rank0.receive(good), error) << "twice";
}

TEST(SecureSumServer, RefusesMessagesOfAnotherSum) {
    server rank0(terms);
    for (auto other : {terms, terms, terms, terms}) {
        static int which = 0;
        switch (which++) {
        case 0:
            other.run = 9;
            break;
        case 1:
            other.round = 9;
            break;
        case 2:
            other.values = 9;
            break;
        default:
            other.threshold = 3;
        }
        EXPECT_THROW(rank0.receive(client(other, 0).announce_keys()), error);
    }
}

// Clients would leave over such keys: all of them, for one that is hostile.
TEST(SecureSumServer, RefusesKeysThatWouldDriveOthersOut) {
    server rank0(terms);
    rank0.receive(client(terms, 0).announce_keys());
    const auto honest = decode<announced_keys>(client(terms, 1).announce_keys(), terms);
    const auto refused = [&](announced_keys keys) {
        EXPECT_THROW(rank0.receive(encode(keys, terms)), error);
    };
    auto keys = honest;
    keys.masking = {};
    refused(keys);
    keys = honest;
    keys.sealing = {1};
    refused(keys);
    keys = honest;
    keys.sealing = keys.masking;
    refused(keys);
    rank0.receive(encode(honest, terms));
    keys = honest;
    keys.from = 2;
    refused(keys);
}

// Its masks that it shares with others come off by the key that these give back, and its own stays on.
TEST(SecureSumServer, LearnsNothingOfAnInputThatCameLate) {
    federation f;
    f.announce();
    std::vector<announced_keys> keys;
    for (const auto& message : f.sent) {
        keys.push_back(decode<announced_keys>(message, terms));
    }
    f.share();
    std::vector<bytes> masked;
    for (std::uint32_t i = 0; i < 3; ++i) {
        masked.push_back(f.clients[i].mask(f.rank0.message_for(i), input));
    }
    f.rank0.receive(masked[0]);
    f.rank0.receive(masked[2]);
    f.rank0.close();
    EXPECT_THROW(f.rank0.receive(masked[1]), error);
    std::vector<secret_share> of_key;
    for (const std::uint32_t i : {0U, 2U}) {
        const auto revealed = decode<revealed_shares>(f.clients[i].reveal(f.rank0.message_for(i)), terms);
        ASSERT_EQ(revealed.keys.size(), 1U);
        ASSERT_EQ(revealed.keys[0].client, 1U);
        of_key.push_back({static_cast<std::uint16_t>(i + 1), revealed.keys[0].values});
    }
    const auto masking = key_pair::of(combine(of_key));
    ASSERT_EQ(masking.others, keys[1].masking);

    auto left = decode<masked_input<std::uint32_t>>(masked[1], terms).words;
    const auto with = [&](const announced_keys& peer) {
        return agreed_key(masking, peer.masking, key_use::masking, digest_of(terms));
    };
    add_stream(with(keys[0]), std::span(left));
    subtract_stream(with(keys[2]), std::span(left));

    for (std::size_t k = 0; k < input.size(); ++k) {
        EXPECT_NE(left[k], input[k]) << "a chance of 2^-32";
    }
}

TEST(SecureSumServer, TakesEachStagesMessagesOnlyAndFromThoseWhoAreThere) {
    federation f;
    f.announce();
    EXPECT_THROW(f.rank0.receive(f.sent[0]), error) << "keys again";
    EXPECT_THROW(f.rank0.sum(), error);
    const bytes shares = f.clients[0].share_secrets(f.rank0.message_for(0));
    f.rank0.receive(shares);
    EXPECT_THROW(f.rank0.receive(shares), error) << "twice";
    f.rank0.receive(f.clients[1].share_secrets(f.rank0.message_for(1)));
    const bytes late = f.clients[2].share_secrets(f.rank0.message_for(2));
    f.rank0.close();
    EXPECT_THAT(f.rank0.present(), ElementsAre(0, 1));
    EXPECT_THROW(f.rank0.receive(late), error);
    EXPECT_THROW(f.rank0.message_for(2), error);
    EXPECT_THROW(f.rank0.receive(encode(masked_input<std::uint32_t>{2, input}, terms)), error)
        << "client 2 has left";
}

TEST(SecureSumServer, RefusesSharesForOthersThanThoseWhoAreThere) {
    federation f;
    f.announce();
    auto shares = decode<sent_shares>(f.clients[0].share_secrets(f.rank0.message_for(0)), terms);
    auto fewer = shares;
    fewer.to.pop_back();
    EXPECT_THROW(f.rank0.receive(encode(fewer, terms)), error);
    auto to_itself = shares;
    to_itself.to[0].peer = 0;
    EXPECT_THROW(f.rank0.receive(encode(to_itself, terms)), error);
    std::swap(shares.to[0], shares.to[1]);
    EXPECT_THROW(f.rank0.receive(encode(shares, terms)), error) << "out of order";
}

TEST(SecureSumServer, RefusesSharesThatItHasNotAskedFor) {
    federation f;
    f.announce();
    f.share();
    f.mask();
    const auto good = decode<revealed_shares>(f.clients[0].reveal(f.rank0.message_for(0)), terms);
    auto of_key = good;
    of_key.keys.push_back(of_key.self_masks.back());
    of_key.self_masks.pop_back();
    EXPECT_THROW(f.rank0.receive(encode(of_key, terms)), error) << "a key of one that stayed";
    auto fewer = good;
    fewer.self_masks.pop_back();
    EXPECT_THROW(f.rank0.receive(encode(fewer, terms)), error);
    EXPECT_NO_THROW(f.rank0.receive(encode(good, terms)));
}

TEST(SecureSumServer, EndsWhereTooFewAreLeft) {
    server rank0(terms);
    EXPECT_THROW(rank0.close(), error);
    rank0.receive(client(terms, 0).announce_keys());
    EXPECT_THROW(rank0.close(), error);
    rank0.receive(client(terms, 2).announce_keys());
    EXPECT_NO_THROW(rank0.close());
}

TEST(SecureSumServer, HasNothingMoreToDoAfterTheSum) {
    federation f;
    f.announce();
    f.share();
    f.mask();
    f.stage([&](auto i) { return f.clients[i].reveal(f.rank0.message_for(i)); });
    EXPECT_THAT(f.rank0.sum(), ElementsAre(3, 6, 9, 12));
    EXPECT_THAT(f.rank0.sum(), ElementsAre(3, 6, 9, 12));
    EXPECT_THROW(f.rank0.receive(f.sent[0]), error);
    EXPECT_THROW(f.rank0.close(), error);
    EXPECT_THROW(f.rank0.message_for(0), error);
}

TEST(SecureSumServer, TakesInputsThatWereAddedUpOnTheWay) {
    federation f;
    f.announce();
    EXPECT_THROW(f.rank0.receive_added(std::vector<std::uint32_t>{0}, input), error) << "too early";
    f.share();
    std::vector<std::uint32_t> of_two(4);
    for (const std::uint32_t i : {0U, 2U}) {
        const auto masked =
            decode<masked_input<std::uint32_t>>(f.clients[i].mask(f.rank0.message_for(i), input), terms);
        for (std::size_t k = 0; k < 4; ++k) {
            of_two[k] += masked.words[k];
        }
    }
    const auto refused = [&](const std::vector<std::uint32_t>& from,
                             const std::vector<std::uint32_t>& words) {
        EXPECT_THROW(f.rank0.receive_added(from, words), error);
    };
    refused({0, 2}, {1, 2, 3});
    refused({2, 0}, of_two);
    refused({0, 0}, of_two);
    refused({0, 3}, of_two);
    EXPECT_NO_THROW(f.rank0.receive_added(std::vector<std::uint32_t>{0, 2}, of_two));
    refused({0}, of_two);
    f.rank0.close();
    for (const std::uint32_t i : {0U, 2U}) {
        f.rank0.receive(f.clients[i].reveal(f.rank0.message_for(i)));
    }
    f.rank0.close();
    EXPECT_THAT(f.rank0.summed(), ElementsAre(0, 2));
    EXPECT_THAT(f.rank0.sum(), ElementsAre(2, 4, 6, 8));
}

TEST(SecureSumClient, DoesEachThingOnceAndInOrder) {
    federation f;
    client early(terms, 0);
    EXPECT_THROW(early.share_secrets({}), error);
    EXPECT_THROW(early.announce_keys(), error) << "it has left over that";
    f.announce();
    EXPECT_THROW(f.clients[0].announce_keys(), error);
    EXPECT_THROW(f.clients[0].share_secrets(f.rank0.message_for(0)), error) << "it has left over that";
}

// A second answer, to another list of survivors, would give away both secrets of a client.
TEST(SecureSumClient, RevealsOnce) {
    federation f;
    f.announce();
    f.share();
    f.mask();
    const bytes asked = f.rank0.message_for(0);
    const auto revealed = decode<revealed_shares>(f.clients[0].reveal(asked), terms);
    EXPECT_EQ(revealed.self_masks.size(), 3U);
    EXPECT_TRUE(revealed.keys.empty());
    EXPECT_THROW(f.clients[0].reveal(encode(survivor_list{{0, 1}}, terms)), error);
    EXPECT_THROW(f.clients[1].reveal(encode(survivor_list{{1}}, terms)), error) << "below the threshold";
    EXPECT_THROW(f.clients[2].reveal(encode(survivor_list{{0, 1}}, terms)), error) << "it stayed itself";
}

TEST(SecureSumClient, RevealsNoSecretsOfClientsThatItHasNoSharesOf) {
    federation f;
    f.announce();
    for (std::uint32_t i = 0; i < 2; ++i) {
        f.rank0.receive(f.clients[i].share_secrets(f.rank0.message_for(i)));
    }
    f.rank0.close();
    f.clients[0].mask(f.rank0.message_for(0), input);
    EXPECT_THROW(f.clients[0].reveal(encode(survivor_list{{0, 1, 2}}, terms)), error);
}

TEST(SecureSumClient, RefusesKeyListsThatAServerHasMadeUp) {
    const auto refuses = [](auto&& alter) {
        federation f;
        f.announce();
        auto list = decode<key_list>(f.rank0.message_for(0), terms);
        alter(list.clients);
        EXPECT_THROW(f.clients[0].share_secrets(encode(list, terms)), error);
    };
    refuses([](auto& c) { c[0].masking = c[1].masking; });
    refuses([](auto& c) { c[0] = c[1]; });
    refuses([](auto& c) { c.erase(c.begin()); });
    refuses([](auto& c) { c.erase(c.begin() + 1, c.end()); });
    refuses([](auto& c) { c[2].masking = c[1].masking; });
    refuses([](auto& c) { c[2].sealing = {}; });
}

TEST(SecureSumClient, RefusesSharesThatWereAlteredOrAreNotForIt) {
    const auto refuses = [](auto&& alter) {
        federation f;
        f.announce();
        f.share();
        auto shares = decode<delivered_shares>(f.rank0.message_for(0), terms);
        alter(shares);
        EXPECT_THROW(f.clients[0].mask(encode(shares, terms), input), error);
    };
    refuses([](auto& s) { s.to = 1; });
    refuses([](auto& s) { s.from.clear(); });
    refuses([](auto& s) { s.from[0].sealed[50] ^= 1; });
    refuses([](auto& s) { std::swap(s.from[0].sealed, s.from[1].sealed); });
    refuses([](auto& s) { s.from[0].peer = 0; });

    federation f;
    f.announce();
    f.share();
    EXPECT_THROW(f.clients[0].mask(f.rank0.message_for(0), std::vector<std::uint32_t>(3)), error)
        << "too few words";
}
