#include "privacy/secure_sum_client.hpp"

#include "base/error.hpp"
#include "privacy/key_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace feddip::privacy {

namespace {

[[noreturn]] void leave(std::uint32_t position, const std::string& why) {
    throw error(fmt::format("client {} leaves the secure sum", position), "secure sum", why);
}

} // namespace

template <typename Word>
secure_sum_client<Word>::secure_sum_client(const secure_sum_terms& terms, std::uint32_t position)
    : terms_(terms), position_(position), digest_(digest_of(terms)) {
    check(terms);
    if (terms.word_bits != 8 * sizeof(Word) || position >= terms.clients) {
        throw input_error(fmt::format("client {} of {} can't sum words of {} bits", position, terms.clients,
                                      8 * sizeof(Word)),
                          "secure sum", fmt::format("the terms say {}", terms.word_bits));
    }
}

template <typename Word>
void secure_sum_client<Word>::enter(stage expected, const char* doing) {
    if (std::exchange(stage_, stage::over) != expected) {
        leave(position_, fmt::format("it was asked to {} out of turn", doing));
    }
}

template <typename Word>
bytes secure_sum_client<Word>::announce_keys() {
    enter(stage::fresh, "announce keys");
    sealing_ = key_pair::fresh();
    masking_ = key_pair::fresh();
    self_mask_ = secret::fresh();
    stage_ = stage::announced;
    return encode(announced_keys{position_, sealing_.others, masking_.others}, terms_);
}

template <typename Word>
bytes secure_sum_client<Word>::share_secrets(std::span<const std::byte> keys) {
    enter(stage::announced, "share secrets");
    const auto listed = decode<key_list>(keys, terms_);
    if (listed.clients.size() < terms_.threshold) {
        leave(position_, fmt::format("only {} clients announced keys, fewer than the threshold of {}",
                                     listed.clients.size(), terms_.threshold));
    }
    std::set<public_key> seen;
    for (const announced_keys& peer : listed.clients) {
        if (!seen.insert(peer.sealing).second || !seen.insert(peer.masking).second) {
            leave(position_, fmt::format("client {} announced a key that another has", peer.from));
        }
        peers_.emplace(peer.from, peer);
    }
    const auto own = peers_.find(position_);
    if (own == peers_.end() || own->second != announced_keys{position_, sealing_.others, masking_.others}) {
        leave(position_, "the server lists other keys for it than it announced");
    }

    const auto of_self_mask = split(self_mask_, terms_.clients, terms_.threshold);
    const auto of_key = split(masking_.own, terms_.clients, terms_.threshold);
    sent_shares sent{position_, commitment_to(self_mask_, digest_), {}};
    for (const auto& [to, peer] : peers_) {
        const secret_pair pair{of_self_mask[to].values, of_key[to].values};
        if (to == position_) {
            shares_.emplace(to, pair);
        } else {
            const secret key = agreed_key(sealing_, peer.sealing, key_use::sealing, digest_);
            sent.to.push_back({to, seal(key, pair, position_, to)});
        }
    }
    stage_ = stage::shared;
    return encode(sent, terms_);
}

template <typename Word>
bytes secure_sum_client<Word>::mask(std::span<const std::byte> shares, std::span<const Word> input) {
    enter(stage::shared, "mask its input");
    if (input.size() != terms_.values) {
        throw error("an input can't be masked", "secure sum",
                    fmt::format("it has {} words, and the terms say {}", input.size(), terms_.values));
    }
    const auto delivered = decode<delivered_shares>(shares, terms_);
    if (delivered.to != position_) {
        leave(position_, fmt::format("it was given shares for client {}", delivered.to));
    }
    if (delivered.from.size() + 1 < terms_.threshold) {
        leave(position_,
              fmt::format("shares of {} clients, its own included, are fewer than the threshold of {}",
                          delivered.from.size() + 1, terms_.threshold));
    }

    masked_input<Word> masked{position_, {input.begin(), input.end()}};
    const std::span words(masked.words);
    for (const auto& [from, sealed] : delivered.from) {
        const auto peer = peers_.find(from);
        if (from == position_ || peer == peers_.end()) {
            leave(position_, fmt::format("it was given shares of client {}, which announced no keys", from));
        }
        const secret opener = agreed_key(sealing_, peer->second.sealing, key_use::sealing, digest_);
        shares_.emplace(from, open(opener, sealed, from, position_));
        const secret pairwise = agreed_key(masking_, peer->second.masking, key_use::masking, digest_);
        if (from > position_) {
            add_stream(pairwise, words);
        } else {
            subtract_stream(pairwise, words);
        }
    }
    add_stream(self_mask_, words);
    stage_ = stage::masked;
    return encode(masked, terms_);
}

template <typename Word>
bytes secure_sum_client<Word>::reveal(std::span<const std::byte> survivors) {
    enter(stage::masked, "reveal shares");
    const auto stayed = decode<survivor_list>(survivors, terms_).clients;
    if (stayed.size() < terms_.threshold) {
        leave(position_, fmt::format("{} clients stayed, fewer than the threshold of {}", stayed.size(),
                                     terms_.threshold));
    }
    if (!std::ranges::binary_search(stayed, position_)) {
        leave(position_, "the server takes it for one that left");
    }
    revealed_shares revealed{position_, {}, {}};
    for (const auto& [of, pair] : shares_) {
        if (std::ranges::binary_search(stayed, of)) {
            revealed.self_masks.push_back({of, pair.first});
        } else {
            revealed.keys.push_back({of, pair.second});
        }
    }
    if (revealed.self_masks.size() != stayed.size()) {
        leave(position_, "the server names clients that stayed of which it has no shares");
    }
    return encode(revealed, terms_);
}

template class secure_sum_client<std::uint32_t>;
template class secure_sum_client<std::uint64_t>;

} // namespace feddip::privacy
