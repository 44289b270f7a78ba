#include "privacy/secure_sum_server.hpp"

#include "base/error.hpp"
#include "privacy/key_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <utility>

namespace feddip::privacy {

namespace {

[[noreturn]] void refuse(const std::string& why) {
    throw error("a message is refused", "secure sum", why);
}

std::vector<std::uint32_t> clients_in(const std::vector<share_of>& shares) {
    std::vector<std::uint32_t> clients;
    std::ranges::transform(shares, std::back_inserter(clients), &share_of::client);
    return clients;
}

} // namespace

template <typename Word>
secure_sum_server<Word>::secure_sum_server(const secure_sum_terms& terms)
    : terms_(terms), digest_(digest_of(terms)) {
    check(terms);
    if (terms.word_bits != 8 * sizeof(Word)) {
        throw input_error(fmt::format("words of {} bits can't be summed here", terms.word_bits), "secure sum",
                          fmt::format("this is a sum of words of {}", 8 * sizeof(Word)));
    }
}

template <typename Word>
void secure_sum_server<Word>::receive(std::span<const std::byte> message) {
    switch (stage_) {
    case stage::announcing:
        return receive_keys(message);
    case stage::sharing:
        return receive_shares(message);
    case stage::masking:
        return receive_input(message);
    case stage::revealing:
        return receive_revealed(message);
    case stage::done:
        refuse("the sum is complete");
    }
}

// Who sends a message of this stage, and has sent none of it yet.
template <typename Word>
typename secure_sum_server<Word>::client& secure_sum_server<Word>::sender(std::uint32_t position) {
    if (!std::ranges::binary_search(present_, position)) {
        refuse(fmt::format("client {} has left", position));
    }
    client& from = clients_.at(position);
    if (from.reached == stage_) {
        refuse(fmt::format("client {} has sent its message of this stage before", position));
    }
    return from;
}

template <typename Word>
void secure_sum_server<Word>::receive_keys(std::span<const std::byte> message) {
    const auto keys = decode<announced_keys>(message, terms_);
    // Clients leave over keys that are none or another's: one hostile client must not drive out all others.
    const auto used = [&](const auto& other) {
        const announced_keys& theirs = other.second.keys;
        return theirs.from != keys.from &&
               (theirs.sealing == keys.sealing || theirs.sealing == keys.masking ||
                theirs.masking == keys.sealing || theirs.masking == keys.masking);
    };
    if (keys.sealing == keys.masking || std::ranges::any_of(clients_, used)) {
        refuse(fmt::format("client {} announced a key that was announced before", keys.from));
    }
    const key_pair probe = key_pair::fresh();
    for (const auto& key : {keys.sealing, keys.masking}) {
        static_cast<void>(agreed_key(probe, key, key_use::masking, digest_));
    }
    if (!clients_.try_emplace(keys.from, client{.keys = keys}).second) {
        refuse(fmt::format("client {} has announced keys before", keys.from));
    }
}

template <typename Word>
void secure_sum_server<Word>::receive_shares(std::span<const std::byte> message) {
    const auto sent = decode<sent_shares>(message, terms_);
    client& from = sender(sent.from);
    auto others = present_;
    std::erase(others, sent.from);
    if (!std::ranges::equal(sent.to, others, {}, &addressed_pair::peer)) {
        refuse(fmt::format("client {} shared its secrets with others than those that announced keys",
                           sent.from));
    }
    for (const auto& [to, sealed] : sent.to) {
        for_[to].push_back({sent.from, sealed});
    }
    from.self_mask = sent.self_mask;
    from.reached = stage_;
}

template <typename Word>
void secure_sum_server<Word>::receive_input(std::span<const std::byte> message) {
    const auto input = decode<masked_input<Word>>(message, terms_);
    receive_added(std::span(&input.from, 1), input.words);
}

template <typename Word>
void secure_sum_server<Word>::receive_added(std::span<const std::uint32_t> from,
                                            std::span<const Word> words) {
    if (stage_ != stage::masking || words.size() != terms_.values ||
        std::ranges::adjacent_find(from, std::greater_equal<>()) != from.end()) {
        refuse(fmt::format("{} words of {} clients are no sum of inputs at this stage", words.size(),
                           from.size()));
    }
    std::vector<client*> senders;
    std::ranges::transform(from, std::back_inserter(senders),
                           [this](auto position) { return &sender(position); });
    sum_.resize(terms_.values);
    std::ranges::transform(sum_, words, sum_.begin(), std::plus<Word>());
    for (client* const c : senders) {
        c->reached = stage_;
    }
}

template <typename Word>
void secure_sum_server<Word>::receive_revealed(std::span<const std::byte> message) {
    const auto revealed = decode<revealed_shares>(message, terms_);
    client& from = sender(revealed.from);
    std::vector<std::uint32_t> left;
    std::ranges::set_difference(shared_, stayed_, std::back_inserter(left));
    if (clients_in(revealed.self_masks) != stayed_ || clients_in(revealed.keys) != left) {
        refuse(fmt::format("client {} revealed shares of others than it was asked for", revealed.from));
    }
    const auto point = static_cast<std::uint16_t>(revealed.from + 1);
    for (const auto& [of, values] : revealed.self_masks) {
        revealed_[of].of_self_mask.push_back({point, values});
    }
    for (const auto& [of, values] : revealed.keys) {
        revealed_[of].of_key.push_back({point, values});
    }
    from.reached = stage_;
}

template <typename Word>
void secure_sum_server<Word>::close() {
    if (stage_ == stage::done) {
        throw error("a secure sum can't go on", "secure sum", "it is complete");
    }
    std::vector<std::uint32_t> there;
    for (const auto& [position, c] : clients_) {
        if (c.reached == stage_) {
            there.push_back(position);
        }
    }
    if (there.size() < terms_.threshold) {
        throw error("a secure sum can't be taken", "secure sum",
                    fmt::format("{} of {} clients are left, and {} are needed", there.size(), terms_.clients,
                                terms_.threshold));
    }
    present_ = std::move(there);
    if (stage_ == stage::sharing) {
        shared_ = present_;
        for (auto& [to, pairs] : for_) {
            std::ranges::sort(pairs, {}, &addressed_pair::peer);
        }
    } else if (stage_ == stage::masking) {
        stayed_ = present_;
    }
    stage_ = static_cast<stage>(static_cast<int>(stage_) + 1);
}

template <typename Word>
std::vector<std::uint32_t> secure_sum_server<Word>::present() const {
    return present_;
}

template <typename Word>
bytes secure_sum_server<Word>::message_for(std::uint32_t position) const {
    if (!std::ranges::binary_search(present_, position)) {
        throw error(fmt::format("there is no message for client {}", position), "secure sum", "it has left");
    }
    switch (stage_) {
    case stage::sharing: {
        key_list list;
        for (const auto present : present_) {
            list.clients.push_back(clients_.at(present).keys);
        }
        return encode(list, terms_);
    }
    case stage::masking:
        return encode(delivered_shares{position, for_.at(position)}, terms_);
    case stage::revealing:
        return encode(survivor_list{stayed_}, terms_);
    default:
        throw error("there is no message for clients", "secure sum", "this stage has none");
    }
}

template <typename Word>
secret secure_sum_server<Word>::whole(const std::vector<secret_share>& shares) const {
    return combine(std::span(shares).first(terms_.threshold));
}

template <typename Word>
std::vector<Word> secure_sum_server<Word>::sum() {
    if (stage_ != stage::done) {
        throw error("there is no sum yet", "secure sum", "the last stage isn't closed");
    }
    const auto lost = [](std::uint32_t position) {
        throw error(
            "a secure sum is lost", "secure sum",
            fmt::format("the shares don't give back the secret of client {}: it or one that revealed a share "
                        "isn't honest",
                        position));
    };
    std::vector<Word> sum = sum_;
    const std::span words(sum);
    for (const auto& [position, shares] : revealed_) {
        const client& owner = clients_.at(position);
        if (std::ranges::binary_search(stayed_, position)) {
            const secret self_mask = whole(shares.of_self_mask);
            if (commitment_to(self_mask, digest_) != owner.self_mask) {
                lost(position);
            }
            subtract_stream(self_mask, words);
            continue;
        }
        const key_pair masking = key_pair::of(whole(shares.of_key));
        if (masking.others != owner.keys.masking) {
            lost(position);
        }
        for (const auto stayed : stayed_) { // the other end of what the one that left would have added
            const secret pairwise =
                agreed_key(masking, clients_.at(stayed).keys.masking, key_use::masking, digest_);
            if (position > stayed) {
                subtract_stream(pairwise, words);
            } else {
                add_stream(pairwise, words);
            }
        }
    }
    return sum;
}

template class secure_sum_server<std::uint32_t>;
template class secure_sum_server<std::uint64_t>;

} // namespace feddip::privacy
