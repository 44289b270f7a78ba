// Entropy coding of the gaps between marked positions: rANS (Duda 2009) under the geometric distribution that
// positions have which are marked independently.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::sparse {

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

// Takes the gaps last to first.
class gap_encoder {
public:
    void put(const gap_model& model, std::uint64_t gap);
    // What was put, to be read first to last; empty when nothing was.
    std::vector<std::byte> finish();

private:
    void make_room(std::uint32_t limit);

    static constexpr std::uint32_t lowest = std::uint32_t{1} << 16;
    std::uint32_t state_ = lowest;
    std::vector<std::uint16_t> words_;
    bool used_ = false;
    friend class gap_decoder;
};

// Gives the gaps first to last. Throws feddip::error for bytes that no encoder has made, as far as that can
// be known.
class gap_decoder {
public:
    explicit gap_decoder(std::span<const std::byte> bytes);

    // The model to decode with from here on.
    void use(const gap_model& model);
    // The next gap; throws when it is larger than `largest`.
    std::uint64_t take(std::uint64_t largest);
    // To be called after the last gap: throws when anything is left over.
    void finish();

private:
    void refill();
    std::uint32_t next_word();

    std::span<const std::byte> bytes_;
    std::uint32_t state_ = 0;
    bool started_ = false;
    unsigned offset_bits_ = 0;
    std::array<std::uint32_t, gap_model::bins + 2> start_{};
    std::vector<std::uint8_t> bin_of_; // [2^precision]
};

} // namespace feddip::sparse
