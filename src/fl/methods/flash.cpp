// FLASH (Babakniya et al. 2023): before the first round one client trains a sparse model and readjusts its
// mask, so that each layer comes to the density that it needs; then the server draws a random mask of these
// densities, in which everybody trains from w_0 on. There the mask rests (SPDST), or clients go on
// readjusting it (JMWST). With budgets, layer_floor = 1 and ranked_every = 1, and a mask that rests, small
// clients hold the largest weights of each layer: hetero-FLASH, but that there all begin with the whole mask.
//
// Where it is readjusted, which is every R rounds, from the first one on, each client does so in the midst of
// its training: the smallest weights of each layer go, a share that falls to 0 along its minibatches, and as
// many come at random. Each weight is averaged over the clients that sent it, and the server keeps the
// largest, in each layer as many as the clients had there on average.
//
// In their program 5 to 10 % of the clients do this, for ten epochs, and the densities of their masks are
// averaged. Here it is one client, which readjusts after each of its local trainings but the last, which
// would change no density.
#include "base/choice.hpp"
#include "base/random.hpp"
#include "fl/first_client.hpp"
#include "fl/first_look.hpp"
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"
#include "sparse/magnitude.hpp"
#include "sparse/start.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace feddip::fl {

namespace {

constexpr double readjusted_share = 0.25; // of the alive weights of each layer, falls to 0
constexpr double fullest = 0.99;          // of a layer's pruned weights, those that may come back at once
constexpr double nearly_full = 0.2;       // of a layer's weights, those that are pruned at most

// How many of `total` weights come back to each layer: in proportion to its need, as far as there is room.
// What finds none is spread evenly over the others.
std::vector<std::size_t> shared_out(std::size_t total, const std::vector<double>& need,
                                    const std::vector<std::size_t>& room) {
    std::vector<std::size_t> given(room.size(), 0);
    const double all = std::accumulate(need.begin(), need.end(), 0.0);
    const auto give = [&](std::size_t l, std::size_t count) {
        count = std::min({count, room[l] - given[l], total});
        given[l] += count;
        total -= count;
    };
    const std::size_t wanted = total;
    for (std::size_t l = 0; l < room.size() && all > 0 && std::isfinite(all); ++l) {
        give(l, static_cast<std::size_t>(need[l] / all * static_cast<double>(wanted)));
    }
    for (bool found = true; total > 0 && found;) {
        found = false;
        const std::size_t each = std::max<std::size_t>(1, total / room.size());
        for (std::size_t l = 0; l < room.size(); ++l) {
            found = found || given[l] < room[l];
            give(l, each);
        }
    }
    return given;
}

// `total` weights in the proportion of what is held, by largest remainders, no layer beyond its size.
std::vector<std::size_t> in_proportion(std::size_t total, const std::vector<double>& held,
                                       const parameter_layout& layout) {
    const double all = std::accumulate(held.begin(), held.end(), 0.0);
    std::vector<std::size_t> given, order(held.size());
    std::vector<double> left;
    for (std::size_t l = 0; l < held.size(); ++l) {
        const double share = all > 0 ? held[l] * static_cast<double>(total) / all : 0;
        given.push_back(std::min(static_cast<std::size_t>(share), layout.weights()[l].size));
        left.push_back(share - std::floor(share));
    }
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::greater{}, [&](std::size_t l) { return left[l]; });
    std::size_t missing = total - std::accumulate(given.begin(), given.end(), std::size_t{0});
    for (std::size_t i = 0; missing > 0; ++i) {
        const std::size_t l = order[i % order.size()];
        if (given[l] < layout.weights()[l].size) {
            ++given[l];
            --missing;
        }
    }
    return given;
}

class flash final : public method {
public:
    explicit flash(const config::run_config& config) : config_(config) {}

    round_plan plan(int round) const override {
        auto plan = round_at_target(config_, round);
        if (config_.flash.readjust && on_horizon(config_, round)) {
            plan = with_own_masks(plan);
            plan.readjusts_in_training = true;
            plan.averages_senders = true;
        }
        return plan;
    }

    first_look looks_first() const override { return first_look::densities; }

    sparse::mask look(first_client& client, std::span<float> state) const override {
        const auto& layout = client.layout();
        random_stream random(config_.federation.seed, 0, first_client::id, purpose::probing);
        const std::vector<double> uniform(layout.weights().size(), 1 - config_.sparsity.target);
        auto mask = sparse::random_mask(layout, uniform, random);
        std::vector<float> trained(state.begin(), state.end());
        for (int done = 1; done < flash_trainings; ++done) {
            client.train(round_at_target(config_, 0), mask, trained);
            const double share = readjusted_share * (1 - static_cast<double>(done) / flash_trainings);
            mask = readjusted(layout, trained, mask, share, random);
        }
        return sparse::random_mask(layout, sparse::layer_densities(mask, layout), random);
    }

    sparse::mask mask_in_training(const client_in_training& client) const override {
        return readjusted(client.layout, client.weights, client.mask, readjusted_share * (1 - client.done),
                          client.random);
    }

    // Behind all others, of weights that are 0, those come first that most clients sent.
    sparse::mask reconfigure(const round_plan&, const averages& received,
                             const sparse::mask& current) const override {
        std::vector<double> held;
        for (const auto& p : received.layout.weights()) {
            const auto senders = received.senders.subspan(p.offset, p.size);
            held.push_back(std::accumulate(senders.begin(), senders.end(), 0.0));
        }
        return sparse::keep_largest_per_layer(received.layout, magnitudes_or_votes(received),
                                              in_proportion(current.count(), held, received.layout));
    }

private:
    // Of each layer the smallest weights go, and as many come in all, the more to a layer the larger its
    // weights are on average.
    static sparse::mask readjusted(const parameter_layout& layout, std::span<const float> weights,
                                   const sparse::mask& mask, double share, random_stream& random) {
        const auto magnitudes = mean_magnitudes(layout, weights, mask);
        auto next = sparse::drop_smallest_per_layer(layout, weights.first(mask.size()), mask,
                                                    shares_to_go(layout, mask, magnitudes, share));
        std::vector<std::size_t> room;
        for (const auto& p : layout.weights()) {
            const std::size_t pruned = p.size - next.count(p.offset, p.size);
            room.push_back(static_cast<std::size_t>(fullest * static_cast<double>(pruned)));
        }
        const auto come = shared_out(mask.count() - next.count(), magnitudes, room);
        for (std::size_t l = 0; l < room.size(); ++l) {
            revive(layout.weights()[l], come[l], random, next);
        }
        return next;
    }

    // Of each layer's alive weights.
    static std::vector<double> mean_magnitudes(const parameter_layout& layout, std::span<const float> weights,
                                               const sparse::mask& mask) {
        std::vector<double> means;
        for (const auto& p : layout.weights()) {
            double sum = 0;
            for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
                sum += mask[i] ? std::abs(static_cast<double>(weights[i])) : 0;
            }
            const std::size_t alive = mask.count(p.offset, p.size);
            means.push_back(alive > 0 ? sum / static_cast<double>(alive) : 0);
        }
        return means;
    }

    // Layers that are nearly full, and whose weights are larger than the layers' on average, would be torn up
    // again and again: no larger share of them goes than is pruned.
    static std::vector<double> shares_to_go(const parameter_layout& layout, const sparse::mask& mask,
                                            const std::vector<double>& magnitudes, double share) {
        const double average = std::accumulate(magnitudes.begin(), magnitudes.end(), 0.0) /
                               static_cast<double>(magnitudes.size());
        const auto densities = sparse::layer_densities(mask, layout);
        std::vector<double> shares;
        for (std::size_t l = 0; l < magnitudes.size(); ++l) {
            const double pruned = 1 - densities[l];
            const bool spared = pruned < nearly_full && magnitudes[l] > average;
            shares.push_back(spared ? std::min(pruned, share) : share);
        }
        return shares;
    }

    static void revive(const parameter& p, std::size_t count, random_stream& random, sparse::mask& mask) {
        std::vector<std::size_t> pruned;
        for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
            if (!mask[i]) {
                pruned.push_back(i);
            }
        }
        choose(pruned, count, [&](std::size_t n) { return random.below(static_cast<std::uint32_t>(n)); });
        for (const std::size_t i : pruned) {
            mask.set(i, true);
        }
    }

    config::run_config config_;
};

} // namespace

std::unique_ptr<method> make_flash(const config::run_config& config) {
    return std::make_unique<flash>(config);
}

} // namespace feddip::fl
