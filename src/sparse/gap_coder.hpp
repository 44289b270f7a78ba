// Entropy coding of the gaps between marked positions: rANS (Duda 2009) under the geometric distribution that
// positions have which are marked independently.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace feddip::sparse {

// How wide a bin of gaps is when `marked` of `positions` are marked, 0 < marked <= positions / 2:
// 2^offset_bits, at most a quarter of the gaps unless it is 1.
struct gap_bins {
    static constexpr std::uint64_t one = std::uint64_t{1} << 32;

    gap_bins(std::uint64_t positions, std::uint64_t marked);

    unsigned offset_bits = 0;
    std::uint64_t pass; // the probability that a gap lies beyond a bin, as a multiple of 2^-32
};

// The distribution of the gaps when `marked` of `positions` are marked, 0 < marked <= positions / 2, as
// integers that are the same on every machine. A gap is (bin, offset in the bin): the bin, at most a quarter
// of the gaps wide, is coded by its probability, the offset as it is. The last bin stands for all beyond: a
// gap that starts there.
class gap_model {
public:
    static constexpr unsigned precision = 14; // probabilities are multiples of 2^-14
    static constexpr unsigned bins = 64;      // and the last one

    gap_model(std::uint64_t positions, std::uint64_t marked);

    unsigned offset_bits() const { return offset_bits_; }
    std::uint32_t start(unsigned bin) const { return start_[bin]; }
    std::uint32_t frequency(unsigned bin) const { return start_[bin + 1] - start_[bin]; }

private:
    unsigned offset_bits_ = 0;
    std::array<std::uint32_t, bins + 2> start_{};
};

// Takes the gaps last to first. rANS: coding a symbol of probability f / 2^b multiplies a 64-bit state by 2^b
// / f; low words leave the state first, so that it stays below 2^64. Bin and offset make one symbol.
class gap_encoder {
public:
    void put(const gap_model& model, std::uint64_t gap) {
        used_ = true;
        const unsigned offset_bits = model.offset_bits();
        const std::uint64_t bin = gap >> offset_bits;
        const std::uint64_t offset = gap & ((std::uint64_t{1} << offset_bits) - 1);
        code(model, static_cast<unsigned>(bin % gap_model::bins), offset_bits, offset);
        for (std::uint64_t beyond = bin / gap_model::bins; beyond > 0; --beyond) {
            code(model, gap_model::bins, 0, 0);
        }
    }

    // What was put, to be read first to last; empty when nothing was.
    std::vector<std::byte> finish();

private:
    friend class gap_decoder;
    static constexpr unsigned word_bits = 32;
    static constexpr std::uint64_t lowest = std::uint64_t{1} << 32; // of the state, between symbols

    void code(const gap_model& model, unsigned bin, unsigned offset_bits, std::uint64_t offset) {
        const std::uint64_t frequency = model.frequency(bin);
        if (state_ >= frequency << (64 - gap_model::precision - offset_bits)) {
            words_.push_back(static_cast<std::uint32_t>(state_));
            state_ >>= word_bits;
        }
        state_ = state_ << offset_bits | offset;
        state_ = (state_ / frequency << gap_model::precision) + state_ % frequency + model.start(bin);
    }

    std::uint64_t state_ = lowest;
    std::vector<std::uint32_t> words_;
    bool used_ = false;
};

// Gives the gaps first to last. Throws feddip::error for bytes that no encoder has made, as far as that can
// be known.
class gap_decoder {
public:
    explicit gap_decoder(std::span<const std::byte> bytes);

    // The model to decode with from here on; there must be gaps to come.
    void use(const gap_model& model);

    // The next gap; throws when it is larger than `largest`.
    std::uint64_t take(std::uint64_t largest) {
        std::uint64_t bins_passed = 0;
        unsigned bin = next_bin();
        for (; bin == gap_model::bins; bin = next_bin()) {
            refill();
            bins_passed += gap_model::bins;
            if (bins_passed << offset_bits_ > largest) {
                refuse("a position lies past the end of its layer");
            }
        }
        const std::uint64_t offset = state_ & ((std::uint64_t{1} << offset_bits_) - 1);
        state_ >>= offset_bits_;
        refill();
        const std::uint64_t gap = (bins_passed + bin) << offset_bits_ | offset;
        if (gap > largest) {
            refuse("a position lies past the end of its layer");
        }
        return gap;
    }

    // To be called after the last gap: throws when anything is left over.
    void finish();

private:
    struct bin_range {
        std::uint32_t start, frequency;
    };

    [[noreturn]] static void refuse(std::string_view why);

    unsigned next_bin() {
        const auto slot =
            static_cast<std::uint32_t>(state_) & ((std::uint32_t{1} << gap_model::precision) - 1);
        const unsigned bin = bin_of_[slot];
        state_ = ranges_[bin].frequency * (state_ >> gap_model::precision) + slot - ranges_[bin].start;
        return bin;
    }

    void refill() {
        if (state_ < gap_encoder::lowest) {
            state_ = state_ << gap_encoder::word_bits | next_word();
        }
    }

    std::uint32_t next_word() {
        if (bytes_.size() < 4) {
            refuse("it ends too early");
        }
        std::uint32_t word = 0;
        for (unsigned i = 0; i < 4; ++i) {
            word |= std::to_integer<std::uint32_t>(bytes_[i]) << (8 * i);
        }
        bytes_ = bytes_.subspan(4);
        return word;
    }

    std::span<const std::byte> bytes_;
    std::uint64_t state_ = 0;
    bool started_ = false;
    unsigned offset_bits_ = 0;
    std::array<bin_range, gap_model::bins + 1> ranges_{};
    std::vector<std::uint8_t> bin_of_; // [2^precision]
};

} // namespace feddip::sparse
