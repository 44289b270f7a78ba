#include "sparse/ladder.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace feddip::sparse {

namespace {

// [first rung, end) of the moving window of a part: `first` counts from the end of its larger half, around
// which the window goes.
struct window {
    int core, others, first, width;
};

window window_of(ladder_part p) {
    const int core = (p.level + 1) / 2;
    const int others = rungs - core;
    const int width = p.level - core;
    const auto moved = std::int64_t{p.turn} * width % others;
    return {core, others, static_cast<int>(moved), width};
}

bool moves(ladder_part p) {
    return p.turn >= 0 && p.level < rungs;
}

// Alive weights, largest first; one list for each tensor, and one for all.
struct ranking {
    std::vector<std::uint32_t> all;
    std::vector<std::vector<std::uint32_t>> of_tensor;
};

ranking rank(const parameter_layout& layout, const mask& m, std::span<const float> weights) {
    ranking r;
    m.for_each_alive([&](std::size_t i) { r.all.push_back(static_cast<std::uint32_t>(i)); });
    std::ranges::sort(r.all, [&](std::uint32_t a, std::uint32_t b) {
        const float left = std::fabs(weights[a]), right = std::fabs(weights[b]);
        return left != right ? left > right : a > b;
    });
    const auto tensors = layout.weights();
    r.of_tensor.resize(tensors.size());
    for (const std::uint32_t i : r.all) {
        const auto after = std::ranges::upper_bound(tensors, std::size_t{i}, {}, &parameter::offset);
        r.of_tensor[static_cast<std::size_t>(after - tensors.begin()) - 1].push_back(i);
    }
    return r;
}

// Puts weights on one rung after the other: first those that the floors call for, then the largest.
class climber {
public:
    climber(const ranking& ranked, double floor, std::vector<std::uint16_t>& rung_of)
        : ranked_(ranked), floor_(floor), rung_of_(rung_of), in_tensor_(ranked.of_tensor.size()) {}

    void fill(int rung, std::size_t room) {
        for (std::size_t l = 0; l < in_tensor_.size(); ++l) {
            const auto& largest = ranked_.of_tensor[l];
            const auto wanted = std::min(largest.size(), wanted_of(largest.size(), rung));
            for (auto& next = in_tensor_[l]; next < wanted && room > 0; ++next) {
                room -= place(largest[next], rung);
            }
        }
        for (; room > 0; ++next_) {
            room -= place(ranked_.all[next_], rung);
        }
    }

private:
    std::size_t wanted_of(std::size_t alive, int rung) const {
        const double share = floor_ * rung / rungs;
        return std::max(std::size_t{1}, static_cast<std::size_t>(share * static_cast<double>(alive)));
    }

    // How many have found a place: none where it has one.
    std::size_t place(std::uint32_t weight, int rung) {
        auto& its = rung_of_[weight];
        return its == 0 ? (its = static_cast<std::uint16_t>(rung), 1) : 0;
    }

    const ranking& ranked_;
    double floor_;
    std::vector<std::uint16_t>& rung_of_;
    std::vector<std::size_t> in_tensor_; // how far the floors have come
    std::size_t next_ = 0;               // how far the ranking of all has
};

} // namespace

bool ladder_part::holds(int rung) const {
    if (!limited()) {
        return true;
    }
    if (!moves(*this) || rung == 0) {
        return rung > 0 && rung <= level;
    }
    const auto w = window_of(*this);
    return rung <= w.core || (rung - 1 - w.core - w.first + w.others) % w.others < w.width;
}

ladder::ladder(const parameter_layout& layout, const mask& m, std::span<const float> weights, double floor)
    : rung_of_(layout.prunable_size()), alive_(m.count()) {
    const auto ranked = rank(layout, m, weights);
    climber up(ranked, floor, rung_of_);
    for (int rung = 1; rung <= rungs; ++rung) {
        up.fill(rung, up_to(rung) - up_to(rung - 1));
    }
}

ladder::ladder(std::vector<std::uint16_t> rung_of) : rung_of_(std::move(rung_of)) {
    std::vector<std::size_t> on(rungs + 1);
    for (const auto rung : rung_of_) {
        if (rung > rungs) {
            throw error("can't restore the ranking of a mask", "ladder", "a rung is beyond the last one");
        }
        ++on[rung];
    }
    alive_ = rung_of_.size() - on[0];
    for (int rung = 1; rung <= rungs; ++rung) {
        if (on[static_cast<std::size_t>(rung)] != up_to(rung) - up_to(rung - 1)) {
            throw error("can't restore the ranking of a mask", "ladder", "its rungs are of unequal size");
        }
    }
}

mask ladder::part(ladder_part which) const {
    std::vector<char> held(rungs + 1);
    for (int rung = 0; rung <= rungs; ++rung) {
        held[static_cast<std::size_t>(rung)] = which.holds(rung) ? 1 : 0;
    }
    mask m(rung_of_.size(), false);
    for (std::size_t i = 0; i < rung_of_.size(); ++i) {
        if (held[rung_of_[i]] != 0) {
            m.set(i, true);
        }
    }
    return m;
}

std::size_t ladder::count(ladder_part which) const {
    if (!moves(which)) {
        return up_to(which.level);
    }
    const auto w = window_of(which);
    const auto between = [&](int first, int end) { return up_to(w.core + end) - up_to(w.core + first); };
    const int end = w.first + w.width;
    return up_to(w.core) + (end <= w.others ? between(w.first, end)
                                            : between(w.first, w.others) + between(0, end - w.others));
}

int ladder::level_of(std::size_t most) const {
    int level = rungs;
    if (most < alive_) {
        level = static_cast<int>(most * rungs / alive_);
        while (level < rungs && up_to(level + 1) <= most) {
            ++level;
        }
    }
    return level;
}

std::size_t ladder::up_to(int rung) const {
    return alive_ * static_cast<std::size_t>(rung) / rungs;
}

} // namespace feddip::sparse
