// The messages of a secure sum (secure_sum_client.hpp tells their story), as bytes.
#pragma once

#include "privacy/key_agreement.hpp"
#include "privacy/secret.hpp"
#include "privacy/secure_sum_terms.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace feddip::privacy {

using bytes = std::vector<std::byte>;

// Each begins with its kind (u8) and the digest of the terms (16 bytes); then its fields in the order in
// which they stand here, numbers little-endian, a list as its length (u32) and its entries. Lists ascend by
// position.

struct announced_keys { // client to server, 1
    std::uint32_t from;
    public_key sealing;
    public_key masking;

    bool operator==(const announced_keys&) const = default;
};

struct key_list { // server to all, 2
    std::vector<announced_keys> clients;
};

struct addressed_pair {
    std::uint32_t peer; // to whom from a client, from whom to a client
    sealed_pair sealed;
};

struct sent_shares { // client to server, 3
    std::uint32_t from;
    commitment self_mask;
    std::vector<addressed_pair> to;
};

struct delivered_shares { // server to a client, 4
    std::uint32_t to;
    std::vector<addressed_pair> from;
};

template <typename Word>
struct masked_input { // client to server, 5
    std::uint32_t from;
    std::vector<Word> words; // terms.values of them; no length is sent
};

struct survivor_list { // server to all, 6
    std::vector<std::uint32_t> clients;
};

struct share_of {
    std::uint32_t client;
    secret values;
};

struct revealed_shares { // client to server, 7
    std::uint32_t from;
    std::vector<share_of> self_masks; // of those that stayed
    std::vector<share_of> keys;       // the masking keys of those that left
};

bytes encode(const announced_keys& message, const secure_sum_terms& terms);
bytes encode(const key_list& message, const secure_sum_terms& terms);
bytes encode(const sent_shares& message, const secure_sum_terms& terms);
bytes encode(const delivered_shares& message, const secure_sum_terms& terms);
template <typename Word>
bytes encode(const masked_input<Word>& message, const secure_sum_terms& terms);
bytes encode(const survivor_list& message, const secure_sum_terms& terms);
bytes encode(const revealed_shares& message, const secure_sum_terms& terms);

// Throw feddip::error for bytes that `encode` hasn't made of a `Message` under these terms: of another kind,
// other terms, too short or too long, with positions outside the sum, out of order or twice. Memory is
// proportional to the bytes. Message is one of those above.
template <typename Message>
Message decode(std::span<const std::byte> message, const secure_sum_terms& terms);

// Bytes that one client sends and receives: one that stays to the end, where `left` others don't, and one
// that leaves after its secrets were shared, before it has sent its values.
struct traffic {
    std::uint64_t up, down;
};
traffic secure_sum_traffic(const secure_sum_terms& terms, std::uint32_t left = 0);
traffic secure_sum_traffic_of_leaving(const secure_sum_terms& terms);

} // namespace feddip::privacy
