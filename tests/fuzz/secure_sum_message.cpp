// The decoders of a secure sum's messages. The first byte of the input is the message's kind, and says which
// of them reads it; the second, where the digest begins that is put in below, says how wide the words are
// (odd: 64 bits).
#include "privacy/secure_sum_message.hpp"

#include "base/error.hpp"
#include "require.hpp"

#include <algorithm>

namespace {

using namespace feddip;
using namespace feddip::privacy;

template <typename Message>
void read(std::span<const std::byte> input, const secure_sum_terms& terms) {
    const bytes again = encode(decode<Message>(input, terms), terms);
    fuzz::require(std::ranges::equal(again, input), "an accepted message changes when it is sent on");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const secure_sum_terms narrow{
        .run = 1, .round = 2, .clients = 5, .threshold = 3, .values = 4, .word_bits = 32};
    static const secure_sum_terms wide{
        .run = 1, .round = 2, .clients = 5, .threshold = 3, .values = 4, .word_bits = 64};
    // The digest is right in every input, or nothing behind it would ever be read.
    bytes input(size);
    std::ranges::copy(std::as_bytes(std::span(data, size)), input.begin());
    const secure_sum_terms& terms = size > 1 && data[1] % 2 == 1 ? wide : narrow;
    const digest of_terms = digest_of(terms);
    for (std::size_t i = 0; i < of_terms.size() && i + 1 < size; ++i) {
        input[i + 1] = std::byte{of_terms[i]};
    }
    try {
        switch (size == 0 ? 0 : data[0]) {
        case 1:
            read<announced_keys>(input, terms);
            break;
        case 2:
            read<key_list>(input, terms);
            break;
        case 3:
            read<sent_shares>(input, terms);
            break;
        case 4:
            read<delivered_shares>(input, terms);
            break;
        case 5:
            terms.word_bits == 32 ? read<masked_input<std::uint32_t>>(input, terms)
                                  : read<masked_input<std::uint64_t>>(input, terms);
            break;
        case 6:
            read<survivor_list>(input, terms);
            break;
        default:
            read<revealed_shares>(input, terms);
        }
    } catch (const error&) { // refused, as most inputs should be
    }
    return 0;
}
