#include "fl/records.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

namespace feddip::fl {

std::vector<client_record> records_of(const cast& who, std::span<const client_record> trained) {
    std::vector<client_record> all;
    for (const auto& p : who.sampled) {
        if (!trained.empty() && trained.front().id == p.client) {
            all.push_back(trained.front());
            trained = trained.subspan(1);
        } else {
            all.push_back({.id = p.client, .samples = p.samples(), .included = 0, .dropped_out = 1});
        }
        all.back().hostile = p.hostile ? 1 : 0;
    }
    return all;
}

participation require_usable(std::span<const client_record> clients, int round, int least) {
    participation p;
    int answered = 0;
    for (const auto& c : clients) {
        answered += c.dropped_out != 0 ? 0 : 1;
        if (c.included != 0) {
            p.samples += c.samples;
            ++p.updates;
            p.train_loss += c.train_loss * c.samples;
        }
    }
    if (p.samples == 0) {
        if (answered < least) {
            return {.samples = 0, .updates = 0, .train_loss = not_measured};
        }
        throw error(
            "no usable update", fmt::format("round {}", round + 1),
            "the weights of every client that answered became NaN or Inf; start another run with a lower "
            "optimizer.learning_rate, or, where clients are hostile, an aggregation.rule that withstands "
            "them");
    }
    p.train_loss /= static_cast<double>(p.samples);
    return p;
}

} // namespace feddip::fl
