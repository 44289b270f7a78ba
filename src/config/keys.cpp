#include "config/keys.hpp"

#include "config/layers.hpp"
#include "config/names.hpp"
#include "config/nearest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>

namespace feddip::config {

namespace {

constexpr std::string_view adaptive = "adaptive"; // of strengths

std::string_view type_name(const toml::node& node) {
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "an array";
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
        return "an integer";
    case toml::node_type::floating_point:
        return "a floating-point number";
    case toml::node_type::boolean:
        return "a boolean";
    default:
        return "a date or time";
    }
}

std::string wrong_type(std::string_view expected, const toml::node& node) {
    return fmt::format("expected {}, found {}", expected, type_name(node));
}

// `convert` sets the value or returns what is wrong.

std::string convert(const toml::node& node, bool& value) {
    if (!node.is_boolean()) {
        return wrong_type("true or false", node);
    }
    value = node.as_boolean()->get();
    return {};
}

std::string convert(const toml::node& node, std::string& value) {
    if (!node.is_string()) {
        return wrong_type("a string", node);
    }
    value = node.as_string()->get();
    return value.find('\0') == std::string::npos ? "" : "it has a NUL character in it";
}

template <std::integral T>
std::string convert(const toml::node& node, T& value) {
    if (!node.is_integer()) {
        return wrong_type("an integer", node);
    }
    const std::int64_t found = node.as_integer()->get();
    if (!std::in_range<T>(found)) {
        return fmt::format("{} is out of range", found);
    }
    value = static_cast<T>(found);
    return {};
}

std::string convert(const toml::node& node, double& value) {
    if (!node.is_number()) {
        return wrong_type("a number", node);
    }
    value = *node.value<double>();
    return std::isfinite(value) ? "" : "it is not a finite number";
}

std::string convert(const toml::node& node, feedback_strength& value) {
    value = {};
    if (node.is_string() && node.as_string()->get() == adaptive) {
        return {};
    }
    value.adaptive = false;
    return node.is_number() ? convert(node, value.fixed)
                            : fmt::format("it is neither \"{}\" nor a number from 0 to 1", adaptive);
}

template <typename T>
concept number = std::is_arithmetic_v<T>;

// A list of numbers; one number stands for a list of one.
template <number T>
std::string convert(const toml::node& node, std::vector<T>& values) {
    if (!node.is_array()) {
        return node.is_number() ? convert(node, values.emplace_back())
                                : wrong_type("a number or an array of them", node);
    }
    for (const toml::node& element : *node.as_array()) {
        if (std::string complaint = convert(element, values.emplace_back()); !complaint.empty()) {
            return complaint;
        }
    }
    return {};
}

template <typename Enum>
requires std::is_enum_v<Enum> std::string convert(const toml::node& node, Enum& value) {
    std::vector<std::string_view> allowed;
    for (const auto& [candidate, name] : names<Enum>) {
        if (node.is_string() && node.as_string()->get() == name) {
            value = candidate;
            return {};
        }
        allowed.push_back(name);
    }
    if (!node.is_string()) {
        return wrong_type(fmt::format("one of \"{}\"", fmt::join(allowed, "\", \"")), node);
    }
    const std::string& typed = node.as_string()->get();
    return fmt::format("{} is unknown, did you mean \"{}\"? The choice is \"{}\"", toml_string(typed),
                       nearest(typed, allowed), fmt::join(allowed, "\", \""));
}

std::string show(bool value) {
    return value ? "true" : "false";
}
std::string show(const std::string& value) {
    return toml_string(value);
}
template <std::integral T>
std::string show(T value) {
    return fmt::format("{}", value);
}
std::string show(double value) {
    std::string text = fmt::format("{}", value); // the shortest that reads back to the same bits
    if (text.find_first_of(".e") == std::string::npos) {
        text += ".0";
    }
    return text;
}
std::string show(const feedback_strength& value) {
    return value.adaptive ? toml_string(std::string(adaptive)) : show(value.fixed);
}
template <number T>
std::string show(const std::vector<T>& values) {
    if (values.size() == 1) {
        return show(values.front());
    }
    std::vector<std::string> shown;
    for (const T value : values) {
        shown.push_back(show(value));
    }
    return fmt::format("[{}]", fmt::join(shown, ", "));
}
template <typename Enum>
requires std::is_enum_v<Enum> std::string show(Enum value) {
    return toml_string(name_of(value));
}

template <typename T>
struct rule {
    bool (*allows)(const T&);
    std::string_view text; // completes "it must be ..."
};

template <typename T>
constexpr rule<T> anything{[](const T&) { return true; }, ""};
template <typename T>
constexpr rule<T> at_least_0{[](const T& v) { return v >= 0; }, "at least 0"};
constexpr rule<int> of_one_machine{[](const int& v) { return v >= 1 && v <= 4096; }, "between 1 and 4096"};
constexpr rule<int> at_least_1{[](const int& v) { return v >= 1; }, "at least 1"};
constexpr rule<double> positive{[](const double& v) { return v > 0; }, "greater than 0"};
constexpr rule<double> below_1{[](const double& v) { return v >= 0 && v < 1; }, "at least 0 and less than 1"};
constexpr rule<double> between_0_and_1{[](const double& v) { return v > 0 && v < 1; },
                                       "greater than 0 and less than 1"};
constexpr rule<double> a_share{[](const double& v) { return v >= 0 && v <= 1; }, "at least 0 and at most 1"};
constexpr rule<double> a_positive_share{[](const double& v) { return v > 0 && v <= 1; },
                                        "greater than 0 and at most 1"};
constexpr rule<double> rounds_or_a_share{[](const double& v) {
                                             return v >= 0 && v <= std::numeric_limits<int>::max() &&
                                                    (v < 1 || v == std::floor(v));
                                         },
                                         "a whole number of rounds, or a share of them from 0 to below 1"};
constexpr rule<feedback_strength> a_strength{
    [](const feedback_strength& v) { return v.fixed >= 0 && v.fixed <= 1; }, "at least 0 and at most 1"};
constexpr rule<double> a_factor{[](const double& v) { return v >= 1; }, "at least 1"};
const rule<std::vector<double>> shares{
    [](const std::vector<double>& v) {
        return std::ranges::all_of(v, [](double share) { return share > 0; }) &&
               std::abs(std::accumulate(v.begin(), v.end(), 0.0) - 1) < 1e-6;
    },
    "numbers greater than 0 that sum to 1"};
const rule<std::vector<double>> all_at_least_0{
    [](const std::vector<double>& v) {
        return !v.empty() && std::ranges::all_of(v, [](double value) { return value >= 0; });
    },
    "one or more numbers, each at least 0"};
const rule<std::vector<double>> positive_shares{
    [](const std::vector<double>& v) {
        return !v.empty() && std::ranges::all_of(v, [](double share) { return share > 0 && share <= 1; });
    },
    "one or more numbers, each greater than 0 and at most 1"};
const rule<std::vector<int>> ascending_rounds{
    [](const std::vector<int>& v) {
        return std::ranges::all_of(v, [](int round) { return round >= 1; }) &&
               std::ranges::adjacent_find(v, std::ranges::greater_equal{}) == v.end();
    },
    "rounds that ascend, the first of a run being 1"};
constexpr rule<std::string> not_empty{[](const std::string& v) { return !v.empty(); }, "a name, not empty"};

template <typename Section, typename T>
key describe(std::string_view section, Section run_config::*at, std::string_view name, T Section::*field,
             rule<T> allowed = anything<T>) {
    auto assign = [=](run_config& c, const toml::node& node) -> std::string {
        T value{};
        if (std::string complaint = convert(node, value); !complaint.empty()) {
            return complaint;
        }
        if (!allowed.allows(value)) {
            return fmt::format("{} is impossible, it must be {}", show(value), allowed.text);
        }
        c.*at.*field = std::move(value);
        return {};
    };
    auto show_it = [=](const run_config& c) { return show(c.*at.*field); };
    return {section, name, assign, show_it};
}

// The keys of one section share its name and its place.
template <typename Section>
class section {
public:
    section(std::vector<key>& table, std::string_view name, Section run_config::*at)
        : table_(table), name_(name), at_(at) {}

    template <typename T>
    section& has(std::string_view name, T Section::*field,
                 rule<std::type_identity_t<T>> allowed = anything<T>) {
        table_.push_back(describe(name_, at_, name, field, allowed));
        return *this;
    }

private:
    std::vector<key>& table_;
    std::string_view name_;
    Section run_config::*at_;
};

std::vector<key> make_keys() {
    std::vector<key> table;
    section(table, "data", &run_config::data)
        .has("dataset", &data_section::dataset)
        .has("path", &data_section::path)
        .has("partition", &data_section::partition)
        .has("classes_per_client", &data_section::classes_per_client, at_least_1)
        .has("dirichlet_alpha", &data_section::dirichlet_alpha, positive);
    section(table, "model", &run_config::model)
        .has("name", &model_section::name)
        .has("norm", &model_section::norm)
        .has("layers", &model_section::layers);
    section(table, "federation", &run_config::federation)
        .has("clients", &federation_section::clients, at_least_1)
        .has("clients_per_round", &federation_section::clients_per_round, at_least_1)
        .has("rounds", &federation_section::rounds, at_least_1)
        .has("local_epochs", &federation_section::local_epochs, at_least_1)
        .has("batch_size", &federation_section::batch_size, at_least_1)
        .has("seed", &federation_section::seed)
        .has("rank0_trains", &federation_section::rank0_trains)
        .has("evaluate_every", &federation_section::evaluate_every, at_least_1);
    section(table, "method", &run_config::method)
        .has("name", &method_section::name, not_empty)
        .has("variant", &method_section::variant);
    section(table, "fedprox", &run_config::fedprox).has("mu", &fedprox_section::mu, at_least_0<double>);
    section(table, "prunefl", &run_config::prunefl)
        .has("initial_rounds", &prunefl_section::initial_rounds, at_least_1)
        .has("removable_share", &prunefl_section::removable_share, a_positive_share);
    section(table, "prunetrain", &run_config::prunetrain)
        .has("group_lasso", &prunetrain_section::group_lasso, at_least_0<double>);
    section(table, "feddst", &run_config::feddst)
        .has("readjusted_share", &feddst_section::readjusted_share, a_share);
    section(table, "dispfl", &run_config::dispfl)
        .has("neighbours", &dispfl_section::neighbours, at_least_1)
        .has("readjusted_share", &dispfl_section::readjusted_share, a_share);
    section(table, "dadpfl", &run_config::dadpfl)
        .has("neighbours", &dadpfl_section::neighbours, at_least_1)
        .has("readjusted_share", &dadpfl_section::readjusted_share, a_share)
        .has("waits", &dadpfl_section::waits, at_least_0<int>)
        .has("pruning_threshold", &dadpfl_section::pruning_threshold, at_least_0<double>)
        .has("pruning_pace", &dadpfl_section::pruning_pace, a_factor);
    section(table, "flash", &run_config::flash).has("readjust", &flash_section::readjust);
    section(table, "sparsity", &run_config::sparsity)
        .has("initial", &sparsity_section::initial, below_1)
        .has("target", &sparsity_section::target, below_1)
        .has("horizon", &sparsity_section::horizon, at_least_1)
        .has("regrow", &sparsity_section::regrow)
        .has("start", &sparsity_section::start)
        .has("start_mask", &sparsity_section::start_mask)
        .has("start_scale", &sparsity_section::start_scale)
        .has("final_rounds", &sparsity_section::final_rounds, rounds_or_a_share)
        .has("layer_floor", &sparsity_section::layer_floor, below_1)
        .has("score", &sparsity_section::score);
    section(table, "regularization", &run_config::regularization)
        .has("maximum", &regularization_section::maximum, at_least_0<double>)
        .has("steps", &regularization_section::steps, at_least_1)
        .has("staircase", &regularization_section::staircase);
    section(table, "optimizer", &run_config::optimizer)
        .has("learning_rate", &optimizer_section::learning_rate, positive)
        .has("decay", &optimizer_section::decay, a_positive_share)
        .has("weight_decay", &optimizer_section::weight_decay, at_least_0<double>);
    section(table, "communication", &run_config::communication)
        .has("upload", &communication_section::upload)
        .has("value_type", &communication_section::value_type)
        .has("reconfiguration_upload", &communication_section::reconfiguration_upload);
    section(table, "aggregation", &run_config::aggregation)
        .has("rule", &aggregation_section::rule, not_empty)
        .has("hostile", &aggregation_section::hostile, at_least_0<int>)
        .has("clip", &aggregation_section::clip, at_least_0<double>);
    section(table, "attack", &run_config::attack)
        .has("kind", &attack_section::kind, not_empty)
        .has("clients", &attack_section::clients, at_least_0<int>)
        .has("strength", &attack_section::strength, at_least_0<double>)
        .has("sees", &attack_section::sees);
    section(table, "privacy", &run_config::privacy)
        .has("clip", &privacy_section::clip, at_least_0<double>)
        .has("clip_quantile", &privacy_section::clip_quantile, below_1)
        .has("noise_multiplier", &privacy_section::noise_multiplier, at_least_0<double>)
        .has("epsilon", &privacy_section::epsilon, at_least_0<double>)
        .has("delta", &privacy_section::delta, between_0_and_1)
        .has("sampling", &privacy_section::sampling)
        .has("secure_sum", &privacy_section::secure_sum);
    section(table, "budget", &run_config::budget)
        .has("mode", &budget_section::mode)
        .has("density", &budget_section::density, positive_shares)
        .has("deadline_s", &budget_section::deadline_s, at_least_0<double>)
        .has("times", &budget_section::times)
        .has("bytes_per_round", &budget_section::bytes_per_round, at_least_0<double>)
        .has("rotate", &budget_section::rotate)
        .has("ranking", &budget_section::ranking)
        .has("layer_floor", &budget_section::layer_floor, a_share)
        .has("ranked_every", &budget_section::ranked_every, at_least_0<int>)
        .has("feedback", &budget_section::feedback, a_strength);
    section(table, "drift", &run_config::drift)
        .has("kind", &drift_section::kind)
        .has("pattern", &drift_section::pattern)
        .has("at", &drift_section::at, ascending_rounds)
        .has("strength", &drift_section::strength, at_least_0<double>)
        .has("clients", &drift_section::clients, a_positive_share)
        .has("samples_per_round", &drift_section::samples_per_round, at_least_0<int>);
    section(table, "adaptation", &run_config::adaptation)
        .has("answer", &adaptation_section::answer)
        .has("detector", &adaptation_section::detector)
        .has("rounds", &adaptation_section::rounds, at_least_1)
        .has("regrown_share", &adaptation_section::regrown_share, a_positive_share)
        .has("relaxed_sparsity", &adaptation_section::relaxed_sparsity, below_1)
        .has("tolerance", &adaptation_section::tolerance, at_least_0<double>)
        .has("threshold", &adaptation_section::threshold, positive)
        .has("confidence", &adaptation_section::confidence, between_0_and_1);
    section(table, "compute", &run_config::compute)
        .has("threads", &compute_section::threads, of_one_machine)
        .has("kernels", &compute_section::kernels)
        .has("precision", &compute_section::precision);
    section(table, "checkpoint", &run_config::checkpoint)
        .has("path", &checkpoint_section::path)
        .has("every_rounds", &checkpoint_section::every_rounds, at_least_0<int>)
        .has("every_minutes", &checkpoint_section::every_minutes, at_least_0<double>)
        .has("keep", &checkpoint_section::keep, at_least_1);
    section(table, "links", &run_config::links)
        .has("shares", &links_section::shares, shares)
        .has("order", &links_section::order)
        .has("uplink_mbit", &links_section::uplink_mbit, all_at_least_0)
        .has("downlink_mbit", &links_section::downlink_mbit, all_at_least_0)
        .has("latency_ms", &links_section::latency_ms, all_at_least_0)
        .has("train_ms_per_image", &links_section::train_ms_per_image, all_at_least_0);
    section(table, "faults", &run_config::faults)
        .has("drop_probability", &faults_section::drop_probability, below_1)
        .has("slow_probability", &faults_section::slow_probability, a_share)
        .has("slow_factor", &faults_section::slow_factor, a_factor);
    section(table, "analysis", &run_config::analysis)
        .has("convergence_every", &analysis_section::convergence_every, at_least_0<int>)
        .has("layer_norms_every", &analysis_section::layer_norms_every, at_least_0<int>)
        .has("mask_history", &analysis_section::mask_history)
        .has("class_accuracy", &analysis_section::class_accuracy);
    section(table, "output", &run_config::output).has("path", &output_section::path);
    return table;
}

} // namespace

std::span<const key> keys() {
    static const std::vector<key> table = make_keys();
    return table;
}

std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        out += code < 0x20 || code == 0x7f ? fmt::format("\\u{:04X}", code) : std::string(1, c);
    }
    return out;
}

std::string toml_string(std::string_view text) {
    std::string marked;
    for (const char c : text) {
        marked += c == '"' || c == '\\' ? "\\" : "";
        marked += c;
    }
    return '"' + one_line(marked) + '"';
}

} // namespace feddip::config
