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

// The rung on which a slice of a layer with so many units comes to have the unit.
std::uint16_t rung_of_unit(std::size_t unit, std::size_t units, int shift) {
    const std::size_t first = static_cast<std::size_t>(shift) % units;
    return static_cast<std::uint16_t>((unit + units - first) % units * rungs / units + 1);
}

// Puts weights on one rung after the other: first one of each tensor, then those that the floors call for,
// then the largest.
class climber {
public:
    climber(const ranking& ranked, double floor, std::vector<std::uint16_t>& rung_of)
        : ranked_(ranked), floor_(floor), rung_of_(rung_of), in_tensor_(ranked.of_tensor.size()) {}

    void fill(int rung, std::size_t room) {
        climb(rung, room, [](std::size_t) { return std::size_t{1}; });
        climb(rung, room, [share = floor_ * rung / rungs](std::size_t alive) {
            return static_cast<std::size_t>(share * static_cast<double>(alive));
        });
        for (; room > 0; ++next_) {
            room -= place(ranked_.all[next_], rung);
        }
    }

private:
    // `wanted` says how many of a tensor's alive weights are to have a place by now.
    template <typename Wanted>
    void climb(int rung, std::size_t& room, Wanted wanted) {
        for (std::size_t l = 0; l < in_tensor_.size(); ++l) {
            const auto& largest = ranked_.of_tensor[l];
            const auto end = std::min(largest.size(), wanted(largest.size()));
            for (auto& next = in_tensor_[l]; next < end && room > 0; ++next) {
                room -= place(largest[next], rung);
            }
        }
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
    : rung_of_(layout.prunable_size()) {
    const auto ranked = rank(layout, m, weights);
    const auto share = [alive = ranked.all.size()](int of) {
        return alive * static_cast<std::size_t>(of) / rungs;
    };
    climber up(ranked, floor, rung_of_);
    for (int rung = 1; rung <= rungs; ++rung) {
        up.fill(rung, share(rung) - share(rung - 1));
    }
    count_rungs();
}

ladder::ladder(const parameter_layout& layout, width_slices slices)
    : rung_of_(layout.prunable_size()), rung_of_tail_(layout.size() - layout.prunable_size(), 1) {
    const auto tensors = layout.weights();
    auto of_tail = rung_of_tail_.begin();
    std::size_t units_before = 0;
    for (std::size_t l = 0; l < tensors.size(); ++l) {
        const auto& tensor = tensors[l];
        const auto outputs = static_cast<std::size_t>(tensor.shape[0]);
        const auto inputs = static_cast<std::size_t>(tensor.shape[1]);
        const std::size_t taps = tensor.size / (outputs * inputs);
        const bool is_last = l + 1 == tensors.size();
        auto rung = rung_of_.begin() + static_cast<std::ptrdiff_t>(tensor.offset);
        for (std::size_t o = 0; o < outputs; ++o) {
            const std::uint16_t of_output = is_last ? 1 : rung_of_unit(o, outputs, slices.shift);
            *of_tail++ = of_output;
            for (std::size_t i = 0; i < inputs; ++i) {
                const std::uint16_t of_input =
                    l == 0 ? 1 : rung_of_unit(i * units_before / inputs, units_before, slices.shift);
                rung = std::fill_n(rung, taps, std::max(of_output, of_input));
            }
        }
        units_before = outputs;
    }
    count_rungs();
}

ladder::ladder(std::vector<std::uint16_t> rung_of) : rung_of_(std::move(rung_of)) {
    if (std::ranges::any_of(rung_of_, [](std::uint16_t rung) { return rung > rungs; })) {
        throw error("can't restore the ranking of a mask", "ladder", "a rung is beyond the last one");
    }
    count_rungs();
}

void ladder::count_rungs() {
    for (const auto rung : rung_of_) {
        ++up_to_[rung];
    }
    up_to_[0] = 0;
    std::partial_sum(up_to_.begin(), up_to_.end(), up_to_.begin());
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

std::size_t ladder::count_tail(ladder_part which, std::size_t tail) const {
    return which.limited() && slices_width()
               ? static_cast<std::size_t>(std::ranges::count_if(
                     rung_of_tail_, [&](std::uint16_t rung) { return which.holds(rung); }))
               : tail;
}

int ladder::level_of(std::size_t most) const {
    const int level = static_cast<int>(std::ranges::upper_bound(up_to_, most) - up_to_.begin()) - 1;
    return up_to(level) > 0 ? level : 0;
}

} // namespace feddip::sparse
