#include "privacy/secure_sum_message.hpp"

#include "base/error.hpp"
#include "privacy/byte_fields.hpp"

#include <fmt/format.h>

#include <string>

namespace feddip::privacy {

namespace {

[[noreturn]] void refuse(const std::string& why) {
    throw error("a message can't be read", "secure sum", why);
}

template <typename Message>
constexpr std::uint8_t kind_of = 0;
template <>
constexpr std::uint8_t kind_of<announced_keys> = 1;
template <>
constexpr std::uint8_t kind_of<key_list> = 2;
template <>
constexpr std::uint8_t kind_of<sent_shares> = 3;
template <>
constexpr std::uint8_t kind_of<delivered_shares> = 4;
template <typename Word>
constexpr std::uint8_t kind_of<masked_input<Word>> = 5;
template <>
constexpr std::uint8_t kind_of<survivor_list> = 6;
template <>
constexpr std::uint8_t kind_of<revealed_shares> = 7;

template <typename Message>
byte_writer begun(const secure_sum_terms& terms) {
    byte_writer out;
    out.put(kind_of<Message>);
    out.put(digest_of(terms));
    return out;
}

// Entries, and which position each stands under.
void put(byte_writer& out, const announced_keys& entry) {
    out.put(entry.from);
    out.put(entry.sealing);
    out.put(entry.masking);
}
void put(byte_writer& out, const addressed_pair& entry) {
    out.put(entry.peer);
    out.put(entry.sealed);
}
void put(byte_writer& out, std::uint32_t entry) {
    out.put(entry);
}
void put(byte_writer& out, const share_of& entry) {
    out.put(entry.client);
    out.put_all(std::span<const std::uint8_t>(entry.values.bytes()));
}

void take(byte_reader& in, announced_keys& entry) {
    entry.from = in.take<std::uint32_t>();
    entry.sealing = in.take<public_key>();
    entry.masking = in.take<public_key>();
}
void take(byte_reader& in, addressed_pair& entry) {
    entry.peer = in.take<std::uint32_t>();
    entry.sealed = in.take<sealed_pair>();
}
void take(byte_reader& in, std::uint32_t& entry) {
    entry = in.take<std::uint32_t>();
}
void take(byte_reader& in, share_of& entry) {
    entry.client = in.take<std::uint32_t>();
    in.take_all(std::span<std::uint8_t>(entry.values.bytes()));
}

std::uint32_t position_of(const announced_keys& entry) {
    return entry.from;
}
std::uint32_t position_of(const addressed_pair& entry) {
    return entry.peer;
}
std::uint32_t position_of(std::uint32_t entry) {
    return entry;
}
std::uint32_t position_of(const share_of& entry) {
    return entry.client;
}

template <typename Entry>
void put_list(byte_writer& out, const std::vector<Entry>& entries) {
    out.put(static_cast<std::uint32_t>(entries.size()));
    for (const Entry& entry : entries) {
        put(out, entry);
    }
}

std::uint32_t take_position(byte_reader& in, const secure_sum_terms& terms) {
    const auto position = in.take<std::uint32_t>();
    if (position >= terms.clients) {
        refuse(fmt::format("it names client {} of {}", position, terms.clients));
    }
    return position;
}

template <typename Entry>
std::vector<Entry> take_list(byte_reader& in, const secure_sum_terms& terms) {
    const auto length = in.take<std::uint32_t>();
    if (length > terms.clients) {
        refuse(fmt::format("it lists {} clients of {}", length, terms.clients));
    }
    std::vector<Entry> entries;
    for (std::uint32_t i = 0; i < length; ++i) { // grows with what is there, whatever was promised
        take(in, entries.emplace_back());
        const auto position = position_of(entries.back());
        if (position >= terms.clients || (i > 0 && position <= position_of(entries[i - 1]))) {
            refuse(fmt::format("it lists client {} of {} out of order", position, terms.clients));
        }
    }
    return entries;
}

void take_fields(byte_reader& in, const secure_sum_terms& terms, announced_keys& m) {
    take(in, m);
    if (m.from >= terms.clients) {
        refuse(fmt::format("it names client {} of {}", m.from, terms.clients));
    }
}
void take_fields(byte_reader& in, const secure_sum_terms& terms, key_list& m) {
    m.clients = take_list<announced_keys>(in, terms);
}
void take_fields(byte_reader& in, const secure_sum_terms& terms, sent_shares& m) {
    m.from = take_position(in, terms);
    m.self_mask = in.take<commitment>();
    m.to = take_list<addressed_pair>(in, terms);
}
void take_fields(byte_reader& in, const secure_sum_terms& terms, delivered_shares& m) {
    m.to = take_position(in, terms);
    m.from = take_list<addressed_pair>(in, terms);
}
template <typename Word>
void take_fields(byte_reader& in, const secure_sum_terms& terms, masked_input<Word>& m) {
    m.from = take_position(in, terms);
    if (terms.word_bits != 8 * sizeof(Word) || in.left() != terms.values * sizeof(Word)) {
        refuse(fmt::format("{} bytes are not {} words of {} bits", in.left(), terms.values, terms.word_bits));
    }
    m.words.resize(terms.values);
    in.take_all(std::span(m.words));
}
void take_fields(byte_reader& in, const secure_sum_terms& terms, survivor_list& m) {
    m.clients = take_list<std::uint32_t>(in, terms);
}
void take_fields(byte_reader& in, const secure_sum_terms& terms, revealed_shares& m) {
    m.from = take_position(in, terms);
    m.self_masks = take_list<share_of>(in, terms);
    m.keys = take_list<share_of>(in, terms);
}

} // namespace

bytes encode(const announced_keys& message, const secure_sum_terms& terms) {
    auto out = begun<announced_keys>(terms);
    put(out, message);
    return out.take();
}

bytes encode(const key_list& message, const secure_sum_terms& terms) {
    auto out = begun<key_list>(terms);
    put_list(out, message.clients);
    return out.take();
}

bytes encode(const sent_shares& message, const secure_sum_terms& terms) {
    auto out = begun<sent_shares>(terms);
    out.put(message.from);
    out.put(message.self_mask);
    put_list(out, message.to);
    return out.take();
}

bytes encode(const delivered_shares& message, const secure_sum_terms& terms) {
    auto out = begun<delivered_shares>(terms);
    out.put(message.to);
    put_list(out, message.from);
    return out.take();
}

template <typename Word>
bytes encode(const masked_input<Word>& message, const secure_sum_terms& terms) {
    auto out = begun<masked_input<Word>>(terms);
    out.put(message.from);
    out.put_all(std::span<const Word>(message.words));
    return out.take();
}

bytes encode(const survivor_list& message, const secure_sum_terms& terms) {
    auto out = begun<survivor_list>(terms);
    put_list(out, message.clients);
    return out.take();
}

bytes encode(const revealed_shares& message, const secure_sum_terms& terms) {
    auto out = begun<revealed_shares>(terms);
    out.put(message.from);
    put_list(out, message.self_masks);
    put_list(out, message.keys);
    return out.take();
}

template <typename Message>
Message decode(std::span<const std::byte> message, const secure_sum_terms& terms) {
    byte_reader in(message);
    if (const auto kind = in.take<std::uint8_t>(); kind != kind_of<Message>) {
        refuse(fmt::format("it is of kind {}, not {}", kind, kind_of<Message>));
    }
    if (in.take<digest>() != digest_of(terms)) {
        refuse("it belongs to another sum");
    }
    Message decoded{};
    take_fields(in, terms, decoded);
    if (in.left() > 0) {
        refuse(fmt::format("it goes on for {} bytes after its end", in.left()));
    }
    return decoded;
}

namespace {

constexpr std::uint64_t opening = 1 + sizeof(digest), number = 4;

} // namespace

traffic secure_sum_traffic(const secure_sum_terms& terms, std::uint32_t left) {
    constexpr std::uint64_t share = number + secret::size;
    const std::uint64_t n = terms.clients;
    const auto before = secure_sum_traffic_of_leaving(terms);
    return {.up = before.up + 2 * opening + (number + terms.values * terms.word_bits / 8) +
                  (3 * number + n * share),
            .down = before.down + opening + (number + (n - left) * number)};
}

traffic secure_sum_traffic_of_leaving(const secure_sum_terms& terms) {
    constexpr std::uint64_t keys = number + 2 * sizeof(public_key), pair = number + sealed_size;
    const std::uint64_t n = terms.clients;
    return {.up = 2 * opening + keys + (number + sizeof(commitment) + number + (n - 1) * pair),
            .down = 2 * opening + (number + n * keys) + (2 * number + (n - 1) * pair)};
}

template bytes encode(const masked_input<std::uint32_t>&, const secure_sum_terms&);
template bytes encode(const masked_input<std::uint64_t>&, const secure_sum_terms&);
template announced_keys decode(std::span<const std::byte>, const secure_sum_terms&);
template key_list decode(std::span<const std::byte>, const secure_sum_terms&);
template sent_shares decode(std::span<const std::byte>, const secure_sum_terms&);
template delivered_shares decode(std::span<const std::byte>, const secure_sum_terms&);
template masked_input<std::uint32_t> decode(std::span<const std::byte>, const secure_sum_terms&);
template masked_input<std::uint64_t> decode(std::span<const std::byte>, const secure_sum_terms&);
template survivor_list decode(std::span<const std::byte>, const secure_sum_terms&);
template revealed_shares decode(std::span<const std::byte>, const secure_sum_terms&);

} // namespace feddip::privacy
