#include "fl/settling.hpp"

#include "fl/packing.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::fl {

double distance(const parameter_layout& layout, std::span<const float> model, std::span<const float> first) {
    double sum = 0;
    for (const auto& tensor : layout.parameters()) {
        double square = 0;
        for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
            const double difference = static_cast<double>(model[i]) - first[i];
            square += difference * difference;
        }
        sum += std::sqrt(square);
    }
    return sum;
}

settling::settling(const pruning_rhythm& rhythm, int clients)
    : rhythm_(rhythm), clients_(static_cast<std::size_t>(clients)) {}

void settling::listen(const round_record& record) {
    if (!matters() || agreed_in_ >= 0) {
        return;
    }
    std::size_t settled = 0;
    for (const auto& c : record.clients) {
        if (std::isnan(c.distance)) {
            continue;
        }
        auto& known = clients_[static_cast<std::size_t>(c.id)];
        if (std::isnan(known.first)) {
            known.first = c.distance;
        } else if (std::abs(c.distance - known.last) / known.first <= rhythm_.threshold) {
            ++settled;
        }
        known.last = c.distance;
    }
    if (settled > 0 && 2 * settled >= record.clients.size()) {
        agreed_in_ = record.round - 1;
    }
}

void settling::share(transport& ranks) {
    if (matters()) {
        agreed_in_ = broadcast(ranks, std::span<const int>(&agreed_in_, 1)).front();
    }
}

bool settling::prunes_in(int round) const {
    if (agreed_in_ < 0) {
        return false;
    }
    int gap = agreed_in_;
    int due = agreed_in_ + 1;
    while (due < round) {
        gap = std::max(1, static_cast<int>(std::nearbyint(gap / rhythm_.pace)));
        due += gap;
    }
    return due == round;
}

} // namespace feddip::fl
