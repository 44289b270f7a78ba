// How long rounds would take in a real federation, whose clients have slow links: from bytes, not from a
// clock.
#pragma once

#include "config/config.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace feddip::fl {

// What a sampled client does in one round.
struct client_work {
    int client = 0;
    double bytes_down = 0, bytes_up = 0;
    double images = 0;                           // trained on, each as often as there are local epochs
    std::optional<double> training_seconds = {}; // by the clock, in place of what the images would take
    double slowdown = 1;                         // everything takes so many times as long
    double begins = 0;                           // seconds after the round does
    bool answers = true;       // false: it neither trains nor sends the message that the round is about
    int further_exchanges = 0; // messages of a protocol, each with the server's answer
};

// Of the links that the config describes; which of them a client has is a pure function of its id and the
// config.
class link_model {
public:
    explicit link_model(const config::run_config& config);

    // False where no class has a rate, a latency or a time per image.
    bool models_anything() const;

    std::size_t class_of(int client) const;

    // From the beginning of the round: download, local training and upload one after the other; each message
    // starts `latency` late. Rates of 0 take no time. NaN where nothing is modelled.
    double seconds(const client_work& work) const;

    // The slowest client's time: the server sends to all at once and is never what they wait for. NaN where
    // nothing is modelled.
    double round_seconds(std::span<const client_work> works) const;

private:
    struct link {
        double upper_share; // of clients, in this class or one before it
        double seconds_per_byte_up, seconds_per_byte_down;
        double latency; // seconds
        double seconds_per_image;
    };

    double place_of(int client) const; // from 0 to 1, among all

    std::vector<link> links_;
    config::link_order order_;
    int clients_;
    std::uint64_t seed_;
};

} // namespace feddip::fl
