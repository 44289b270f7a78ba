#include "sparse/gap_coder.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace feddip::sparse {

namespace {

constexpr unsigned word_bits = 16;
constexpr unsigned most_offset_bits = word_bits;

[[noreturn]] void damaged(std::string_view why) {
    throw error("a coded mask can't be read", "decoding", why);
}

} // namespace

gap_model::gap_model(std::uint64_t positions, std::uint64_t marked) {
    constexpr std::uint64_t one = std::uint64_t{1} << 32;
    // The probability that a bin is passed over, squared with each doubling of the bin's width.
    std::uint64_t pass = one - std::max<std::uint64_t>(1, (marked * one) / positions);
    for (; offset_bits_ < most_offset_bits; ++offset_bits_) {
        const std::uint64_t twice_as_wide = pass * pass >> 32;
        if (twice_as_wide < one / 4 * 3) {
            break;
        }
        pass = twice_as_wide;
    }
    // Every bin gets 1 / 2^precision, so that any gap can be coded, and its share of the rest.
    constexpr std::uint64_t total = std::uint64_t{1} << precision;
    std::uint64_t beyond = one;
    for (unsigned bin = 0; bin <= bins; ++bin) {
        start_[bin] = static_cast<std::uint32_t>(bin + ((total - bins - 1) * (one - beyond) >> 32));
        beyond = beyond * pass >> 32;
    }
    start_[bins + 1] = total;
}

// rANS: coding a symbol of probability f / 2^precision multiplies the state by 2^precision / f; low words
// leave the state first, so that it stays below 2^32.
void gap_encoder::make_room(std::uint32_t limit) {
    if (state_ >= limit) {
        words_.push_back(static_cast<std::uint16_t>(state_));
        state_ >>= word_bits;
    }
}

void gap_encoder::put(const gap_model& model, std::uint64_t gap) {
    used_ = true;
    const unsigned offset_bits = model.offset_bits();
    std::uint64_t bin = gap >> offset_bits;
    std::uint64_t beyond = bin / gap_model::bins;
    bin %= gap_model::bins;

    if (offset_bits > 0) {
        const auto offset = static_cast<std::uint32_t>(gap & ((std::uint64_t{1} << offset_bits) - 1));
        make_room(std::uint32_t{1} << (32 - offset_bits));
        state_ = state_ << offset_bits | offset;
    }
    const auto code = [&](unsigned symbol) {
        const std::uint32_t frequency = model.frequency(symbol);
        make_room(frequency << (32 - gap_model::precision));
        state_ = (state_ / frequency << gap_model::precision) + state_ % frequency + model.start(symbol);
    };
    code(static_cast<unsigned>(bin));
    for (; beyond > 0; --beyond) {
        code(gap_model::bins);
    }
}

std::vector<std::byte> gap_encoder::finish() {
    if (!used_) {
        return {};
    }
    words_.push_back(static_cast<std::uint16_t>(state_));
    words_.push_back(static_cast<std::uint16_t>(state_ >> word_bits));
    std::vector<std::byte> bytes;
    bytes.reserve(2 * words_.size());
    for (auto word = words_.rbegin(); word != words_.rend(); ++word) {
        bytes.push_back(static_cast<std::byte>(*word & 0xFFU));
        bytes.push_back(static_cast<std::byte>(*word >> 8U));
    }
    return bytes;
}

gap_decoder::gap_decoder(std::span<const std::byte> bytes)
    : bytes_(bytes), bin_of_(std::size_t{1} << gap_model::precision) {}

void gap_decoder::use(const gap_model& model) {
    offset_bits_ = model.offset_bits();
    for (unsigned bin = 0; bin <= gap_model::bins; ++bin) {
        start_[bin] = model.start(bin);
        std::fill_n(bin_of_.begin() + model.start(bin), model.frequency(bin), static_cast<std::uint8_t>(bin));
    }
    start_[gap_model::bins + 1] = model.start(gap_model::bins + 1);
}

std::uint32_t gap_decoder::next_word() {
    if (bytes_.size() < 2) {
        damaged("it ends too early");
    }
    const auto word = std::to_integer<std::uint32_t>(bytes_[0]) | std::to_integer<std::uint32_t>(bytes_[1])
                                                                      << 8U;
    bytes_ = bytes_.subspan(2);
    return word;
}

void gap_decoder::refill() {
    if (state_ < gap_encoder::lowest) {
        state_ = state_ << word_bits | next_word();
    }
}

std::uint64_t gap_decoder::take(std::uint64_t largest) {
    if (!started_) {
        started_ = true;
        state_ = next_word() << word_bits;
        state_ |= next_word();
    }
    std::uint64_t bins_passed = 0;
    while (true) {
        const std::uint32_t slot = state_ & ((std::uint32_t{1} << gap_model::precision) - 1);
        const unsigned bin = bin_of_[slot];
        const std::uint32_t frequency = start_[bin + 1] - start_[bin];
        state_ = frequency * (state_ >> gap_model::precision) + slot - start_[bin];
        refill();
        bins_passed += bin;
        if (bin < gap_model::bins) {
            break;
        }
        if (bins_passed << offset_bits_ > largest) {
            damaged("a position lies past the end of its layer");
        }
    }
    const std::uint32_t offset = state_ & ((std::uint32_t{1} << offset_bits_) - 1);
    state_ >>= offset_bits_;
    refill();
    const std::uint64_t gap = bins_passed << offset_bits_ | offset;
    if (gap > largest) {
        damaged("a position lies past the end of its layer");
    }
    return gap;
}

void gap_decoder::finish() {
    if (!bytes_.empty() || (started_ && state_ != gap_encoder::lowest)) {
        damaged("it does not end where its positions do");
    }
}

} // namespace feddip::sparse
