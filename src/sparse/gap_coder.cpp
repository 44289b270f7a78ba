#include "sparse/gap_coder.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace feddip::sparse {

namespace {

constexpr unsigned most_offset_bits = 16; // with the precision no more than a word of the coder

} // namespace

gap_bins::gap_bins(std::uint64_t positions, std::uint64_t marked)
    : pass(one - std::max<std::uint64_t>(1, (marked * one) / positions)) {
    for (; offset_bits < most_offset_bits; ++offset_bits) {
        const std::uint64_t twice_as_wide = pass * pass >> 32;
        if (twice_as_wide < one / 4 * 3) {
            break;
        }
        pass = twice_as_wide;
    }
}

gap_model::gap_model(std::uint64_t positions, std::uint64_t marked) {
    const gap_bins width(positions, marked);
    offset_bits_ = width.offset_bits;
    // Every bin gets 1 / 2^precision, so that any gap can be coded, and its share of the rest.
    constexpr std::uint64_t one = gap_bins::one;
    constexpr std::uint64_t total = std::uint64_t{1} << precision;
    std::uint64_t beyond = one;
    for (unsigned bin = 0; bin <= bins; ++bin) {
        start_[bin] = static_cast<std::uint32_t>(bin + ((total - bins - 1) * (one - beyond) >> 32));
        beyond = beyond * width.pass >> 32;
    }
    start_[bins + 1] = total;
}

std::vector<std::byte> gap_encoder::finish() {
    if (!used_) {
        return {};
    }
    words_.push_back(static_cast<std::uint32_t>(state_));
    words_.push_back(static_cast<std::uint32_t>(state_ >> word_bits));
    std::vector<std::byte> bytes;
    bytes.reserve(4 * words_.size());
    for (auto word = words_.rbegin(); word != words_.rend(); ++word) {
        for (unsigned i = 0; i < 4; ++i) {
            bytes.push_back(static_cast<std::byte>(*word >> (8 * i)));
        }
    }
    return bytes;
}

gap_decoder::gap_decoder(std::span<const std::byte> bytes)
    : bytes_(bytes), bin_of_(std::size_t{1} << gap_model::precision) {}

void gap_decoder::use(const gap_model& model) {
    if (!started_) {
        started_ = true;
        state_ = std::uint64_t{next_word()} << gap_encoder::word_bits;
        state_ |= next_word();
    }
    offset_bits_ = model.offset_bits();
    for (unsigned bin = 0; bin <= gap_model::bins; ++bin) {
        ranges_[bin] = {model.start(bin), model.frequency(bin)};
        std::fill_n(bin_of_.begin() + model.start(bin), model.frequency(bin), static_cast<std::uint8_t>(bin));
    }
}

void gap_decoder::finish() {
    if (!bytes_.empty() || (started_ && state_ != gap_encoder::lowest)) {
        refuse("it does not end where its positions do");
    }
}

void gap_decoder::refuse(std::string_view why) {
    throw error("a coded mask can't be read", "decoding", why);
}

} // namespace feddip::sparse
