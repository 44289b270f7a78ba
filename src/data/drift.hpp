// Data that change over the rounds of a run: a stream over the base dataset, drawn by the seed ([drift] of
// the config). Whatever is asked of it is a pure function of seed, round and client, so that nothing is kept
// from round to round, and the bits depend neither on ranks nor on when a run was resumed.
#pragma once

#include "config/config.hpp"
#include "data/dataset.hpp"
#include "data/image_copies.hpp"
#include "data/partition.hpp"
#include "data/test_pool.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace feddip::data {

// How strong the drift is in round t. With rounds counted from 1, as `at` is:
//   sudden     after the i-th of n rounds in `at`, i/n of the strength
//   gradual    0 until the first, climbing evenly to the second, the strength from there on
//   recurring  the strength from the first on, 0 from the second on, the strength from the third on ...
double drift_strength(const config::drift_section& settings, int round);

class drift {
public:
    // `data` and `shares` outlive it. Throws input_error where a client, or the test, would be left without
    // images.
    drift(const config::drift_section& settings, const dataset& data, const partition& shares,
          std::uint64_t seed);

    double strength(int round) const { return drift_strength(settings_, round); }
    // Whether it begins to be stronger or weaker in round t.
    bool begins(int round) const;
    std::span<const int> clients() const { return clients_; }                // that drift, ascending
    std::span<const std::uint8_t> fading_classes() const { return fading_; } // of label_shift, ascending

    // Whether a client may see others in round t than all of its training images, and those it sees then,
    // ascending. Label shift takes the strength's share of its images in each fading class, at random;
    // samples_per_round are drawn from what is left.
    bool draws() const;
    std::vector<std::uint32_t> images_of(int client, int round) const;

    // Training images of the client as it sees them in round t. Noise is another one in each round.
    seen_images seen_by(int client, int round, std::span<const std::uint32_t> images) const;

    // Held-out images with the distribution of round t: a test image drifts as the client does to which it
    // was dealt. Which ones fade, and their noise, are the same in all rounds.
    test_pool pool(int round) const;

    // For people, a line per thing that will happen; empty where nothing does.
    std::string describe() const;

private:
    // The place of a test image in the order in which those of its class stay, of all clients that drift.
    struct standing {
        std::uint32_t rank = 0, of = 0;
    };

    bool drifts(int client) const;
    bool shifts_labels() const { return settings_.kind == config::drift_kind::label_shift; }
    bool corrupts(double strength) const { return !shifts_labels() && strength > 0; }
    bool fades(std::uint8_t label) const;
    void order_test_images(random_stream random);
    std::vector<std::uint32_t> not_faded(int client, double strength, random_stream& random) const;
    std::vector<std::uint32_t> test_images(double strength) const;
    void require_images() const;

    config::drift_section settings_;
    const dataset& data_;
    const partition& shares_;
    std::uint64_t seed_;
    std::vector<int> clients_;
    std::vector<std::uint8_t> fading_;
    std::vector<std::uint8_t> test_drifts_; // [test images] 1 where its client does
    std::vector<standing> test_standing_;   // [test images], of label_shift
};

} // namespace feddip::data
