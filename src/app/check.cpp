#include "app/commands.hpp"
#include "app/experiment.hpp"
#include "app/format.hpp"
#include "app/idle_settings.hpp"
#include "app/prediction.hpp"
#include "data/dataset.hpp"
#include "data/drift.hpp"
#include "data/partition.hpp"
#include "fl/budget/feasible.hpp"
#include "fl/link_model.hpp"
#include "fl/method.hpp"
#include "fl/methods/common.hpp"
#include "fl/privacy_guarantee.hpp"
#include "sparse/start.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace feddip::app {

namespace {

struct predicted_rounds {
    std::vector<round_traffic> run, fedavg; // as many of each
};

predicted_rounds predict(const config::run_config& config, const parameter_layout& layout,
                         const images_in_round& images) {
    auto plain = config;
    plain.method = {.name = "fedavg"};
    plain.adaptation = {};
    plain.privacy = {};
    plain.communication = {}; // 32 bits a value, as FedAvg is known
    auto run = predict_traffic(config, *fl::make_method(config), layout, images);
    plain.federation.rounds = static_cast<int>(run.size());
    return {.run = std::move(run), .fedavg = predict_traffic(plain, *fl::make_method(plain), layout, images)};
}

std::string json_number(double value) {
    return std::isnan(value) ? "null" : fmt::format("{}", value);
}

// Then nobody knows before when, and how much.
bool prunes_as_it_trains(const config::run_config& config) {
    return fl::make_method(config)->further_pruning().threshold > 0;
}

// By class of [links].
void print_json_budgets(const config::run_config& config, const parameter_layout& layout) {
    std::string separator = ",\n \"budgets\": [";
    const auto classes =
        fl::budgets_by_class(config, *fl::make_method(config), layout, images_per_client(config));
    for (const auto& c : classes) {
        fmt::print(R"({}{{"share": {}, "first_density": {}, "last_density": {}, "first_seconds": {}, )"
                   R"("last_seconds": {}}})",
                   std::exchange(separator, ", "), c.share, json_number(c.first), json_number(c.last),
                   json_number(c.first_seconds), json_number(c.last_seconds));
    }
    fmt::print("{}", classes.empty() ? "" : "],\n \"without_budgets\": true");
}

// Totals of the whole run, by their names in results files, where clients have budgets without these. No data
// are read: times take all shares to be equal.
void print_json(const config::run_config& config, const parameter_layout& layout) {
    data::ensure_enough_for(config.federation.clients, config.data, data::facts_of(config.data));
    const auto to_json = [](const std::vector<round_traffic>& rounds) {
        const auto sum = total(rounds);
        return fmt::format(
            R"({{"bytes_down": {:.0f}, "bytes_up": {:.0f}, "bytes_positions": {:.0f}, "simulated_seconds": {}}})",
            sum.down, sum.up, sum.positions + sum.positions_up, json_number(sum.seconds));
    };
    const double equal = images_per_client(config);
    const auto [run, fedavg] = predict(config, layout, [&](int, int) { return equal; });
    fmt::print("{{\"run\": {},\n \"fedavg\": {}", to_json(run), to_json(fedavg));
    if (const auto guarantee = fl::guarantee_of(config)) {
        const double epsilon = guarantee->epsilon_after(guarantee->rounds());
        fmt::print(",\n \"privacy\": {{\"rounds\": {}, \"noise_multiplier\": {}, \"epsilon\": {}}}",
                   guarantee->rounds(), guarantee->mechanism().noise_multiplier,
                   std::isfinite(epsilon) ? fmt::format("{}", epsilon) : "null");
    }
    print_json_budgets(config, layout);
    fmt::print("{}}}\n", prunes_as_it_trains(config) ? ",\n \"upper_bound\": true" : "");
}

void print_idle_settings(const config::run_config& config) {
    if (const auto idle = idle_settings(config); !idle.empty()) {
        fmt::print("Without effect\n  {}\n\n", fmt::join(idle, "\n  "));
    }
}

// How long the noise on the average is beside the longest that the average can be.
double noise_over_signal(const fl::privacy_guarantee& guarantee, double values) {
    return guarantee.sum_noise() * std::sqrt(values) / guarantee.expected_clients();
}

void print_privacy(const config::run_config& config, const std::vector<round_traffic>& rounds) {
    const auto guarantee = fl::guarantee_of(config);
    if (!guarantee) {
        return;
    }
    const auto& f = config.federation;
    const int last = guarantee->rounds();
    fmt::print("\nPrivacy, of each client ({}): noise multiplier {:.4g}\n",
               config.privacy.sampling == config::sampling_kind::poisson
                   ? "its presence: Poisson sampling"
                   : "its data: K of N without replacement",
               guarantee->mechanism().noise_multiplier);
    fmt::print("  epsilon {:.4g} at delta {} after {} of {} rounds\n", guarantee->epsilon_after(last),
               config.privacy.delta, last, f.rounds);
    if (guarantee->probability_of_failing() > 0) {
        fmt::print("  a round's secure sum fails, which is seen, with probability {:.2g}; that is counted\n",
                   guarantee->probability_of_failing());
    }
    if (last < f.rounds) {
        fmt::print("  the next round would pass privacy.epsilon = {}: the run ends there\n",
                   config.privacy.epsilon);
    }
    fmt::print(
        "  the noise on a round's average is {:.3g} times as long as the longest average, {:.3g} times "
        "in the last round\n",
        noise_over_signal(*guarantee, rounds.front().values),
        noise_over_signal(*guarantee, rounds.back().values));
}

void print_traffic(const config::run_config& config, const predicted_rounds& predicted) {
    const auto& [rounds, fedavg] = predicted;
    fmt::print("\nTraffic, predicted: encoded bytes of a round's {} clients together\n",
               config.federation.clients_per_round);
    fmt::print("  {:<34} {:>7} {:>12} {:>12}\n", "", "rounds", "down/round", "up/round");
    const auto print_row = [](std::string_view name, const std::vector<round_traffic>& of) {
        if (!of.empty()) {
            const auto sum = total(of);
            const auto count = static_cast<double>(of.size());
            fmt::print("  {:<34} {:>7} {:>12} {:>12}\n", name, of.size(), format_bytes(sum.down / count),
                       format_bytes(sum.up / count));
        }
    };
    std::vector<round_traffic> dense, sparse;
    std::ranges::copy_if(rounds, std::back_inserter(dense), &round_traffic::all_weights);
    std::ranges::copy_if(rounds, std::back_inserter(sparse), [](const auto& r) { return !r.all_weights; });
    print_row("FedAvg, for comparison", fedavg);
    print_row("rounds that train all weights", dense);
    print_row("rounds that train weights in mask", sparse);
    if (!sparse.empty()) {
        print_row(fmt::format("  the last of them ({:.1f} % sparse)", 100 * sparse.back().sparsity),
                  {sparse.back()});
    }

    const auto sum = total(rounds);
    const auto dense_sum = total(fedavg);
    fmt::print("  whole run: {} down (about {} of it positions), {} up; {:.1f} % of FedAvg's {}\n",
               format_bytes(sum.down), format_bytes(sum.positions), format_bytes(sum.up),
               100 * (sum.down + sum.up) / (dense_sum.down + dense_sum.up),
               format_bytes(dense_sum.down + dense_sum.up));
    if (sum.positions_up > 0) {
        fmt::print("  of what goes up about {} is positions\n", format_bytes(sum.positions_up));
    }
    if (sum.dropped_out > 0) {
        fmt::print("  {}{} of {} times a sampled client drops out: it receives the model and sends nothing\n",
                   config.privacy.clip > 0 ? "on average " : "", std::llround(sum.dropped_out),
                   rounds.size() * static_cast<std::size_t>(config.federation.clients_per_round));
    }
    if (prunes_as_it_trains(config)) {
        fmt::print("  upper bounds but for a few percent of the positions: when clients prune their masks "
                   "further, only training decides\n");
    }
    if (!std::isnan(sum.seconds)) {
        fmt::print("  time over the links of the config: {}; FedAvg's {}\n", format_duration(sum.seconds),
                   format_duration(dense_sum.seconds));
    }
}

// Of the rounds that train the weights outside the mask, too.
void print_who_regrows(std::span<const fl::class_budget> classes) {
    std::vector<std::size_t> who;
    std::size_t there = 0;
    for (std::size_t c = 0; c < classes.size(); ++c) {
        if (!std::isnan(classes[c].first)) {
            ++there;
            if (classes[c].carries_all) {
                who.push_back(c + 1);
            }
        }
    }
    if (who.empty()) {
        fmt::print(
            "  in rounds that train all weights nobody carries those outside the mask: none comes back, "
            "and the mask only shrinks\n");
    } else if (who.size() < there) {
        const auto* form = who.size() == 1 ? "class {} carries" : "classes {} carry";
        fmt::print("  in rounds that train all weights only {} those outside the mask, too\n",
                   fmt::format(fmt::runtime(form), fmt::join(who, ", ")));
    }
}

void print_budgets(const config::run_config& config, const parameter_layout& layout,
                   std::span<const double> images) {
    const auto classes =
        fl::budgets_by_class(config, *fl::make_method(config), layout, images_per_client(config));
    if (classes.empty()) {
        return;
    }
    fmt::print(
        "\nBudgets: what a client holds of the prunable weights; traffic and times above are without them\n"
        "  {:<8} {:>8} {:>12} {:>10} {:>12} {:>10}\n",
        "class", "clients", "first mask", "time", "last mask", "time");
    for (std::size_t c = 0; c < classes.size(); ++c) {
        const auto& b = classes[c];
        if (std::isnan(b.first)) {
            fmt::print("  {:<8} {:>6.1f} %  no client\n", c + 1, 100 * b.share);
            continue;
        }
        const auto time = [](double seconds) {
            return std::isnan(seconds) ? std::string("-") : fmt::format("{:.3g} s", seconds);
        };
        fmt::print("  {:<8} {:>6.1f} % {:>10.1f} % {:>10} {:>10.1f} % {:>10}\n", c + 1, 100 * b.share,
                   100 * b.first, time(b.first_seconds), 100 * b.last, time(b.last_seconds));
    }
    if (config.budget.mode == config::budget_kind::deadline) {
        fmt::print("  once a client's times are known; the first time that it takes part it gets a tenth of "
                   "the model, for which it may be late\n");
    }
    print_who_regrows(classes);
    for (const auto& warning : warnings_of_budgets(config, layout, images)) {
        fmt::print("  {}\n", warning);
    }
}

// Of an alarm in the round after the first drift, or halfway.
void print_answer(const config::run_config& config, const parameter_layout& layout,
                  const images_in_round& images, const std::vector<round_traffic>& without_alarm) {
    if (config.adaptation.answer == config::answer_kind::none) {
        return;
    }
    const int round = config.drift.kind == config::drift_kind::none ? config.federation.rounds / 2
                                                                    : config.drift.at.front();
    const int lasts = config::answer_rounds_of(config, round - 1);
    if (round < 1 || lasts < 1) {
        return;
    }
    const auto method = fl::make_method(config);
    const auto bytes = [](const std::vector<round_traffic>& rounds) {
        const auto sum = total(rounds);
        return sum.down + sum.up;
    };
    const double without = bytes(without_alarm);
    const double more = bytes(predict_traffic(config, *method, layout, images, round - 1)) - without;
    fmt::print("  an alarm in round {} would be answered in the next {} and add about {} ({:.1f} %)\n", round,
               lasts, format_bytes(more), 100 * more / without);
}

void print_memory(const config::run_config& config, const parameter_layout& layout,
                  const std::vector<round_traffic>& rounds, double largest_share) {
    const auto m = estimate_memory(config, layout, rounds, largest_share);
    fmt::print("\nMemory, estimated\n"
               "  data set             {:>9}  once per machine\n"
               "  weights, messages    {:>9}  per rank\n"
               "  activations, batch   {:>9}  per rank\n",
               format_bytes(m.dataset), format_bytes(m.parameters), format_bytes(m.activations));
    if (m.kernels > 0) {
        fmt::print("  sparse kernels       {:>9}  per rank, for up to {:.1f} % of the weights\n",
                   format_bytes(m.kernels), 100 * m.compiled);
    }
    if (m.updates > 0) {
        fmt::print("  updates of a round   {:>9}  on all ranks together, for aggregation.rule = \"{}\"\n",
                   format_bytes(m.updates), config.aggregation.rule);
    }
    if (m.seen > 0) {
        fmt::print("  updates seen         {:>9}  per rank, by hostile clients\n", format_bytes(m.seen));
    }
}

// Of methods that drop and regrow weights layer by layer. In the masks of others magnitudes decide.
bool keeps_densities_of_layers(const config::run_config& config) {
    const auto method = fl::make_method(config);
    return config.method.name == "feddst" ||
           (method->neighbours() > 0 && method->further_pruning().threshold == 0);
}

// Of one round's local training on average, forward and backward.
void print_work(const config::run_config& config, const parameter_layout& layout,
                std::span<const double> images_of_clients, double sparsity_in_the_end) {
    const auto flops = training_flops(config);
    const double images = std::accumulate(images_of_clients.begin(), images_of_clients.end(), 0.0) /
                          config.federation.clients * config.federation.clients_per_round *
                          config.federation.local_epochs * (1 - config.faults.drop_probability);
    const double dense = images * std::accumulate(flops.begin(), flops.end(), 0.0);
    fmt::print("\nWork, estimated: local training of one round\n"
               "  {:.0f} images forward and backward, all weights: {}FLOP\n",
               images, format_count(dense));

    if (sparsity_in_the_end > 0) {
        const bool known = keeps_densities_of_layers(config);
        const auto densities = known ? fl::start_densities(config, layout, sparsity_in_the_end)
                                     : sparse::erk_densities(layout, sparsity_in_the_end);
        const double alive = images * std::inner_product(flops.begin(), flops.end(), densities.begin(), 0.0);
        fmt::print("  of them on weights in the mask in the end, at {:.1f} % sparsity{}: {}FLOP ({:.1f} %)\n",
                   100 * sparsity_in_the_end, known ? "" : ", were it Erdos-Renyi", format_count(alive),
                   100 * alive / dense);
    }
}

} // namespace

exit_code check(const check_command& command) {
    const auto config = load_config(command.config, command.overrides);
    const auto layout = layout_for(config);
    if (command.json) {
        print_json(config, layout);
        return exit_code::done;
    }
    const auto facts = data::facts_of(config.data);
    std::vector<std::byte> storage(data::storage_size(facts));
    const auto place = data::locate(config.data);
    const auto dataset = data::read(facts, place, storage);
    const auto shares =
        data::make_partition(dataset, config.data, config.federation.clients, config.federation.seed);

    fmt::print("{}\n", config::to_toml(config));
    print_idle_settings(config);
    // i.i.d. shares look all alike.
    const std::size_t lines = config.data.partition == config::partition_kind::iid ? 3 : 50;
    fmt::print("Data in {}\n{}", place.string(), data::describe(shares, dataset, lines));
    const data::drift drift(config.drift, dataset, shares, config.federation.seed);
    if (const auto what_drifts = drift.describe(); !what_drifts.empty()) {
        fmt::print("\nDrift\n{}", what_drifts);
    }
    fmt::print("\nModel: {} trainable parameters, {} of them prunable\n", layout.trainable_size(),
               layout.prunable_size());
    const auto images = images_of(shares, config);
    const bool counts_again =
        config.drift.kind == config::drift_kind::label_shift && fl::link_model(config).models_anything();
    const images_in_round seen = [&](int client, int round) {
        return counts_again ? static_cast<double>(drift.images_of(client, round).size())
                            : images[static_cast<std::size_t>(client)];
    };
    const auto predicted = predict(config, layout, seen);
    print_traffic(config, predicted);
    print_privacy(config, predicted.run);
    print_answer(config, layout, seen, predicted.run);
    print_budgets(config, layout, images);
    print_memory(config, layout, predicted.run, std::ranges::max(images));
    print_work(config, layout, images, predicted.run.back().sparsity);
    return exit_code::done;
}

} // namespace feddip::app
