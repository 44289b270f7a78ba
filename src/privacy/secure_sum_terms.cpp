#include "privacy/secure_sum_terms.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <array>

namespace feddip::privacy {

void check(const secure_sum_terms& terms) {
    const auto refuse = [](const std::string& why) {
        throw input_error("a secure sum can't be taken", "privacy.secure_sum", why);
    };
    if (terms.clients < 2 || terms.clients > most_summed) {
        refuse(fmt::format("{} clients take part: from 2, since the sum over one is its update, to {} can",
                           terms.clients, most_summed));
    }
    if (terms.threshold > terms.clients || terms.threshold < majority(terms.clients)) {
        refuse(fmt::format("a threshold of {} of {} clients: it is more than half of them and at most all",
                           terms.threshold, terms.clients));
    }
    if (terms.values == 0 || terms.values >= std::uint64_t{1} << 32) {
        refuse(fmt::format("{} values: from 1 to 2^32 - 1 can be summed", terms.values));
    }
    if (terms.word_bits != 32 && terms.word_bits != 64) {
        refuse(fmt::format("words of {} bits: they have 32 or 64", terms.word_bits));
    }
}

digest digest_of(const secure_sum_terms& terms) {
    const std::array<std::uint64_t, 6> fields{terms.run,       terms.round,  terms.clients,
                                              terms.threshold, terms.values, terms.word_bits};
    digest d;
    crypto_generichash(d.data(), d.size(), reinterpret_cast<const std::uint8_t*>(fields.data()),
                       sizeof fields, nullptr, 0);
    return d;
}

} // namespace feddip::privacy
