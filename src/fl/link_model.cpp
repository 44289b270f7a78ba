#include "fl/link_model.hpp"

#include "base/random.hpp"
#include "fl/state.hpp"

#include <algorithm>

namespace feddip::fl {

namespace {

double seconds_per_byte(double mbit_per_second) {
    return mbit_per_second > 0 ? 8 / (1e6 * mbit_per_second) : 0;
}

} // namespace

link_model::link_model(const config::run_config& config)
    : order_(config.links.order), clients_(config.federation.clients), seed_(config.federation.seed) {
    const auto& links = config.links;
    // One value stands for all classes.
    const auto of_class = [](const std::vector<double>& values, std::size_t c) {
        return values.size() == 1 ? values.front() : values[c];
    };
    double upper_share = 0;
    for (std::size_t c = 0; c < links.shares.size(); ++c) {
        upper_share += links.shares[c];
        links_.push_back({.upper_share = upper_share,
                          .seconds_per_byte_up = seconds_per_byte(of_class(links.uplink_mbit, c)),
                          .seconds_per_byte_down = seconds_per_byte(of_class(links.downlink_mbit, c)),
                          .latency = of_class(links.latency_ms, c) / 1000,
                          .seconds_per_image = of_class(links.train_ms_per_image, c) / 1000});
    }
}

bool link_model::models_anything() const {
    return std::ranges::any_of(links_, [](const link& l) {
        return l.seconds_per_byte_up > 0 || l.seconds_per_byte_down > 0 || l.latency > 0 ||
               l.seconds_per_image > 0;
    });
}

std::size_t link_model::class_of(int client) const {
    const auto found = std::ranges::upper_bound(links_, place_of(client), {}, &link::upper_share);
    // Shares may add up to a little less than 1.
    return std::min(static_cast<std::size_t>(found - links_.begin()), links_.size() - 1);
}

double link_model::place_of(int client) const {
    if (order_ == config::link_order::in_order) {
        return (client + 0.5) / clients_;
    }
    return random_stream(seed_, 0, static_cast<std::uint32_t>(client), purpose::link_class).uniform_double();
}

double link_model::seconds(const client_work& work) const {
    if (!models_anything()) {
        return not_measured;
    }
    const link& l = links_[class_of(work.client)];
    const double there = l.latency + work.bytes_down * l.seconds_per_byte_down;
    const double training = work.training_seconds.value_or(work.images * l.seconds_per_image);
    const double trained = work.answers ? training + l.latency : 0;
    const double back = trained + work.bytes_up * l.seconds_per_byte_up;
    return work.begins + work.slowdown * (there + back + 2 * l.latency * work.further_exchanges);
}

double link_model::round_seconds(std::span<const client_work> works) const {
    if (!models_anything()) {
        return not_measured;
    }
    double slowest = 0;
    for (const auto& work : works) {
        slowest = std::max(slowest, seconds(work));
    }
    return slowest;
}

} // namespace feddip::fl
