#include "fl/budget/feasible.hpp"

#include "base/bisection.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "fl/budget/controller.hpp"
#include "fl/first_client.hpp"
#include "fl/first_look.hpp"
#include "fl/link_model.hpp"
#include "fl/message.hpp"
#include "fl/state.hpp"
#include "fl/upload.hpp"
#include "sparse/codec.hpp"
#include "sparse/ladder.hpp"
#include "sparse/start.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace feddip::fl {

namespace {

[[noreturn]] void refuse(const std::string& where, const std::string& why) {
    throw input_error("a budget can't be met", where, why);
}

void require_sliceable(const config::run_config& config) {
    if (config.method.name != "fedavg" && config.method.name != "fedprox") {
        refuse("budget.ranking",
               fmt::format("slices of width are of dense layers, and {} prunes weights; take "
                           "\"magnitude\", or fedavg or fedprox",
                           config.method.name));
    }
    if (config.model.name != config::model_name::lenet5 && config.model.name != config::model_name::alexnet) {
        refuse("budget.ranking",
               "slices of width are of layers one behind the other, without batch norm; take "
               "\"magnitude\", or lenet5 or alexnet");
    }
    if (config.budget.rotate) {
        refuse("budget.rotate", "slices of width take turns with ranking = \"rolling_width\"");
    }
}

void require_method(const config::run_config& config, const method& how) {
    if (config.budget.ranking != config::ranking_kind::magnitude) {
        require_sliceable(config);
    }
    if (config.attack.kind != "none") {
        refuse("attack.kind", "attacks forge updates of the whole model; take \"none\"");
    }
    if (config.aggregation.rule != "mean") {
        refuse("aggregation.rule", fmt::format("\"{}\" takes updates of the whole model only; take \"mean\"",
                                               config.aggregation.rule));
    }
    if (config.privacy.clip > 0 || config.privacy.secure_sum) {
        refuse("budget.mode",
               "[privacy] is for clients that send the same weights: what one can carry says which "
               "client it is; take \"none\"");
    }
    if (how.neighbours() > 0) {
        refuse("method.name",
               fmt::format("{} has no server that could cut a model to size", config.method.name));
    }
    if (config.sparsity.start_mask == config::start_mask_kind::per_client) {
        refuse("sparsity.start_mask", "clients with budgets have the server's mask; take \"global\"");
    }
    for (int t = 0; t < config.federation.rounds; ++t) {
        const auto plan = how.plan(t);
        if (carries_positions(plan.upload) || plan.squared_gradients) {
            refuse("budget.mode",
                   fmt::format("in round {} clients send what lies outside the part that they "
                               "hold, or masks of their own; take feddip with "
                               "reconfiguration_upload = \"dense\", fedavg, fedprox, snip, or flash "
                               "with flash.readjust = false",
                               t + 1));
        }
    }
}

// Of a mask drawn at random.
double positions_of(double weights, const config::run_config& config, const parameter_layout& layout) {
    random_stream random(config.federation.seed, 0, 0, purpose::probing);
    const double density = std::min(1.0, weights / static_cast<double>(layout.prunable_size()));
    const auto mask =
        sparse::random_mask(layout, std::vector<double>(layout.weights().size(), density), random);
    return static_cast<double>(sparse::encode(mask, layout, nullptr).size());
}

// The first client looks at its data with the whole model, and within no deadline, for there is no round yet.
void require_first_look(const config::run_config& config, const method& how, const parameter_layout& layout) {
    if (how.looks_first() == first_look::none) {
        return;
    }
    const auto its_class = link_model(config).class_of(first_client::id);
    if (largest_density(config.budget, its_class) < 1) {
        refuse("budget.density",
               fmt::format("before the first round of {} client {} holds all weights, and has room for {} of "
                           "them; take 1 for class {} of [links]",
                           config.method.name, first_client::id, largest_density(config.budget, its_class),
                           its_class + 1));
    }
    const auto alive = how.alive(how.plan(0), layout);
    const auto cost =
        cost_of(how.looks_first(), layout, alive,
                static_cast<std::uint64_t>(positions_of(static_cast<double>(alive), config, layout)));
    const auto bytes = static_cast<double>(cost.bytes_down + cost.bytes_up);
    if (!is_within(config.budget, bytes, 0)) {
        refuse(
            "budget.bytes_per_round",
            fmt::format("{} is less than the {:.0f} that client {} exchanges before the first round of {}, "
                        "down and up",
                        config.budget.bytes_per_round, bytes, first_client::id, config.method.name));
    }
}

// Weights of a mask with `alive`: the lowest rungs that have one of each layer, or the slices of a unit each.
double smallest_part(const config::run_config& config, const parameter_layout& layout, double alive) {
    if (config.budget.ranking != config::ranking_kind::magnitude) {
        return static_cast<double>(sparse::ladder(layout, sparse::width_slices{}).count({.level = 1}));
    }
    const double on_a_rung = alive / sparse::rungs;
    const double at_rest = std::max(1.0, std::ceil(static_cast<double>(layout.weights().size()) / on_a_rung));
    const double level =
        config.budget.rotate ? sparse::ladder_part::lowest_with(static_cast<int>(at_rest)) : at_rest;
    const double more_in_a_turn = config.budget.rotate ? 2 : 0; // of weights, by rounding
    return std::ceil(std::min<double>(level, sparse::rungs) * on_a_rung) + more_in_a_turn;
}

// Over all masks that there will be: where a rung has so few weights that one more is called for, it grows as
// the mask shrinks.
double smallest_part(const config::run_config& config, const method& how, const parameter_layout& layout) {
    double least = 0;
    std::size_t before = 0;
    for (int t = 0; t < config.federation.rounds; ++t) {
        const std::size_t alive = how.alive(how.plan(t), layout);
        if (std::exchange(before, alive) != alive) {
            least = std::max(least, smallest_part(config, layout, static_cast<double>(alive)));
        }
    }
    return least;
}

// What one client of a class can do.
class client_of_class {
public:
    // What training will take by the clock is not foreseen.
    client_of_class(const config::run_config& config, const parameter_layout& layout, std::size_t which,
                    double images)
        : config_(config), layout_(layout), links_(config), class_(which),
          images_(config.budget.goes_by_the_clock() ? 0 : images * config.federation.local_epochs) {
        for (int c = 0; c < config.federation.clients && !id_; ++c) {
            id_ = links_.class_of(c) == which ? std::optional(c) : std::nullopt;
        }
    }

    bool exists() const { return id_.has_value(); }

    double bytes_down(double weights) const { return bytes_of(weights, config::value_kind::f32); }
    double bytes_up(double weights) const { return bytes_of(weights, config_.communication.value_type); }

    // Down and up in the first round.
    double bytes_of_part(double weights) const {
        return bytes_down(weights) + bytes_up(weights) + positions_of(weights);
    }

    // Of a mask with `alive` weights.
    double seconds(double weights, double alive) const {
        return seconds_of_bytes(bytes_down(weights) + positions_of_each_round(weights, alive),
                                bytes_up(weights));
    }

    // Of a client that gets and trains the whole of a mask with `alive` weights, in the first round one that
    // it doesn't know yet.
    double seconds_of_all(const round_plan& plan, double alive) const {
        const auto all = static_cast<double>(layout_.prunable_size());
        const double sent = plan.trains_all_weights() ? all : alive;
        const double positions = plan.round == 0 && alive < all ? positions_of(alive) : 0;
        return seconds_of_bytes(bytes_down(alive) + positions, bytes_up(sent));
    }

    // In a round that trains all weights.
    bool carries_all(const round_plan& plan, double alive) const {
        if (largest_density(config_.budget, class_) < 1) {
            return false;
        }
        const auto all = static_cast<double>(layout_.prunable_size());
        const double seconds = seconds_of_all(plan, alive);
        return config_.budget.mode == config::budget_kind::deadline
                   ? seconds <= deadline_aim * config_.budget.deadline_s
                   : is_within(config_.budget, bytes_down(alive) + bytes_up(all), seconds);
    }

    bool affords(double weights, double alive) const {
        const double positions = positions_of_each_round(weights, alive);
        return is_within(config_.budget, bytes_down(weights) + positions + bytes_up(weights),
                         seconds(weights, alive));
    }

    // The most of a mask with `alive` weights.
    double holds(double alive) const {
        const double beyond = std::min(alive, largest_density(config_.budget, class_) *
                                                  static_cast<double>(layout_.prunable_size()));
        const auto fits = [&](double weights) {
            return config_.budget.mode == config::budget_kind::deadline
                       ? seconds(weights, alive) <= deadline_aim * config_.budget.deadline_s
                       : affords(weights, alive);
        };
        return fits(beyond) ? beyond : last_for_which(0.0, beyond, fits);
    }

    // `least` is that of the model, in weights.
    void require_smallest_part(double least) const {
        if (largest_density(config_.budget, class_) * static_cast<double>(layout_.prunable_size()) < least) {
            refuse("budget.density",
                   fmt::format(
                       "{} is less than the {} weights of the smallest part that leaves no layer without any",
                       largest_density(config_.budget, class_), least));
        }
        const bool fits = config_.budget.mode == config::budget_kind::bytes
                              ? is_within(config_.budget, bytes_of_part(least), 0)
                              : affords(least, static_cast<double>(layout_.prunable_size()));
        if (fits) {
            return;
        }
        if (config_.budget.mode == config::budget_kind::bytes) {
            refuse("budget.bytes_per_round",
                   fmt::format(
                       "{} is less than the {:.0f} that the smallest part of the model takes, down and up",
                       config_.budget.bytes_per_round, bytes_of_part(least)));
        }
        refuse(
            "budget.deadline_s",
            fmt::format("{} s is less than the {:.3g} s that class {} of [links] takes for the smallest part "
                        "of the model",
                        config_.budget.deadline_s, seconds_of_part(least), class_ + 1));
    }

    double seconds_of_part(double weights) const {
        return seconds(weights, static_cast<double>(layout_.prunable_size()));
    }

private:
    double positions_of(double weights) const { return fl::positions_of(weights, config_, layout_); }

    // Where parts change while the mask stays; by their entropy, a percent or two less than their code.
    double positions_of_each_round(double weights, double alive) const {
        const auto& budget = config_.budget;
        const bool parts_change =
            budget.ranking == config::ranking_kind::magnitude && (budget.rotate || budget.ranked_every > 0);
        if (!parts_change || weights <= 0 || weights >= alive) {
            return 0;
        }
        const auto all = static_cast<double>(layout_.prunable_size());
        const double others = all - weights;
        return (weights * std::log2(all / weights) + others * std::log2(all / others)) / 8;
    }

    double bytes_of(double weights, config::value_kind values) const {
        const auto tail = layout_.size() - layout_.prunable_size();
        return static_cast<double>(message_bytes(0, tail)) +
               static_cast<double>(bytes_per_value(values)) * weights;
    }

    double seconds_of_bytes(double bytes_down, double bytes_up) const {
        return links_.seconds(
            {.client = *id_, .bytes_down = bytes_down, .bytes_up = bytes_up, .images = images_});
    }

    const config::run_config& config_;
    const parameter_layout& layout_;
    link_model links_;
    std::size_t class_;
    double images_;
    std::optional<int> id_;
};

// The first round that trains weights outside the mask.
std::optional<round_plan> first_beyond_mask(const method& how, const parameter_layout& layout, int rounds) {
    for (int t = 0; t < rounds; ++t) {
        const auto plan = how.plan(t);
        if (plan.trains_all_weights() && how.alive(plan, layout) < layout.prunable_size()) {
            return plan;
        }
    }
    return {};
}

// To three digits.
double rounded_up(double value) {
    const double digit = std::pow(10, std::floor(std::log10(value)) - 2);
    return std::ceil(value / digit) * digit;
}

// What a client of a class holds in a round, and how long that takes.
struct held_in_round {
    double weights = 0, seconds = 0;
};

held_in_round held(const config::run_config& config, const client_of_class& client, const method& how,
                   const parameter_layout& layout, int round) {
    const auto plan = how.plan(round);
    const auto alive = static_cast<double>(how.alive(plan, layout));
    if (config.budget.mode == config::budget_kind::drop) {
        const double seconds = client.seconds_of_all(plan, alive);
        return {.weights = seconds <= config.budget.deadline_s ? alive : 0, .seconds = seconds};
    }
    const double weights = client.holds(alive);
    return {.weights = weights, .seconds = client.seconds(weights, alive)};
}

} // namespace

std::vector<late_client> never_in_time(const config::run_config& config, const method& how,
                                       const parameter_layout& layout, std::span<const double> images) {
    if (config.budget.mode != config::budget_kind::deadline) {
        return {};
    }
    const double least = smallest_part(config, how, layout);
    const link_model links(config);
    std::vector<late_client> late;
    for (std::size_t c = 0; c < images.size(); ++c) {
        const int id = static_cast<int>(c);
        const client_of_class client(config, layout, links.class_of(id), images[c]);
        if (const double seconds = client.seconds_of_part(least); seconds > config.budget.deadline_s) {
            late.push_back({.client = id, .images = images[c], .seconds = seconds});
        }
    }
    return late;
}

std::vector<class_budget> budgets_by_class(const config::run_config& config, const method& how,
                                           const parameter_layout& layout, double images_per_client) {
    if (config.budget.mode == config::budget_kind::none) {
        return {};
    }
    require_method(config, how);
    require_first_look(config, how, layout);
    const auto below_1 = [](double d) { return d < 1; };
    if (config.budget.mode == config::budget_kind::drop &&
        std::ranges::any_of(config.budget.density, below_1)) {
        refuse("budget.density", "mode = \"drop\" gives a client the whole model or nothing; take 1");
    }
    const link_model links(config);
    if (config.budget.has_deadline() && !links.models_anything()) {
        refuse("budget.mode", "a deadline needs times, and [links] has none; give its rates");
    }
    const auto size = static_cast<double>(layout.prunable_size());
    std::vector<class_budget> classes;
    const bool has_parts = config.budget.mode != config::budget_kind::drop;
    const double least = has_parts ? smallest_part(config, how, layout) : 0;
    const auto beyond_mask = first_beyond_mask(how, layout, config.federation.rounds);
    double quickest = std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < config.links.shares.size(); ++c) {
        const client_of_class client(config, layout, c, images_per_client);
        if (!client.exists()) {
            classes.push_back({.share = config.links.shares[c],
                               .first = not_measured,
                               .last = not_measured,
                               .first_seconds = not_measured,
                               .last_seconds = not_measured});
            continue;
        }
        if (has_parts) {
            client.require_smallest_part(least);
        }
        const auto first = held(config, client, how, layout, 0);
        const auto last = held(config, client, how, layout, config.federation.rounds - 1);
        quickest = std::min(quickest, first.seconds);
        classes.push_back(
            {.share = config.links.shares[c],
             .first = first.weights / size,
             .last = last.weights / size,
             .first_seconds = first.seconds,
             .last_seconds = last.seconds,
             .carries_all =
                 !has_parts || !beyond_mask ||
                 client.carries_all(*beyond_mask, static_cast<double>(how.alive(*beyond_mask, layout)))});
    }
    // Where nobody answers in the first round, the mask stays as it is, and so does what a round takes.
    if (!has_parts && quickest > config.budget.deadline_s) {
        refuse(
            "budget.deadline_s",
            fmt::format(
                "no class of [links] has sent all that the first round asks for by then; allow {:.3g} s or "
                "more",
                rounded_up(quickest)));
    }
    return classes;
}

} // namespace feddip::fl
