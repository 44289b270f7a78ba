// Counter-based random streams: every random decision of a run is a pure function of
// (seed, round, client, purpose), so that it depends neither on ranks nor on what ran before.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace feddip {

// What a stream is drawn for. Appended to only: the numbers are part of what a seed means.
enum class purpose : std::uint32_t {
    initialization = 0,
    start_mask = 1,
    partition_train = 2,
    partition_test = 3,
    client_sampling = 4,
    shuffling = 5,
    augmentation = 6,
    dropout = 7,
    dropping_out = 8,
    test = 9,
    link_class = 10,
    slowing_down = 11,
    probing = 12, // of a client's data, beside its training
    neighbours = 13,
    hostility = 14, // of clients
    attacking = 15,
    drifting = 16,   // which clients' data, and which classes
    streaming = 17,  // which of its images a client sees in a round
    corrupting = 18, // of an image
    queueing = 19,   // in which order clients train
    regrowing = 20,  // which weights come back into a mask
};

// Philox 4x32-10 (Salmon et al. 2011) with the seed as key. Satisfies UniformRandomBitGenerator.
// The distributions are our own because those of <random> differ between standard libraries.
class random_stream {
public:
    using result_type = std::uint32_t;

    random_stream(std::uint64_t seed, std::uint32_t round, std::uint32_t client, purpose what);

    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
    result_type operator()() {
        if (used_ == block_.size()) {
            refill();
        }
        return block_[used_++];
    }

    // Uniform in [0, 1), with 24 and 53 random bits.
    float uniform() { return static_cast<float>((*this)() >> 8) * 0x1p-24F; }
    double uniform_double();
    // Uniform over 0 .. bound - 1, without bias. `bound` > 0.
    std::uint32_t below(std::uint32_t bound);
    // Standard normal (Box-Muller).
    double normal();
    // Gamma(shape, 1), shape > 0 (Marsaglia and Tsang 2000).
    double gamma(double shape);

    template <typename T>
    void shuffle(std::span<T> items) {
        for (std::size_t i = items.size(); i > 1; --i) {
            std::swap(items[i - 1], items[below(static_cast<std::uint32_t>(i))]);
        }
    }

private:
    void refill();

    std::array<std::uint32_t, 2> key_;
    std::array<std::uint32_t, 4> counter_; // {block, purpose, client, round}
    std::array<std::uint32_t, 4> block_{};
    std::size_t used_ = 4;
};

} // namespace feddip
