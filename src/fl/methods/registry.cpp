#include "fl/methods/registry.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace feddip::fl {

namespace {

struct entry {
    const char* name;
    std::unique_ptr<method> (*make)(const config::run_config&);
    bool has_authors_variant = false;
    bool answers_alarms = false;
};

constexpr std::array entries{
    entry{"dadpfl", make_dadpfl},         entry{"dispfl", make_dispfl},
    entry{"fedavg", make_fedavg},         entry{"feddip", make_feddip, false, true},
    entry{"feddst", make_feddst, true},   entry{"fedprox", make_fedprox, true},
    entry{"flash", make_flash},           entry{"prunefl", make_prunefl, true},
    entry{"prunetrain", make_prunetrain}, entry{"snip", make_snip, true},
};

std::vector<std::string> names_with_authors_variant() {
    std::vector<std::string> names;
    for (const auto& e : entries) {
        if (e.has_authors_variant) {
            names.emplace_back(e.name);
        }
    }
    return names;
}

} // namespace

std::vector<std::string> method_names() {
    std::vector<std::string> names;
    for (const auto& e : entries) {
        names.emplace_back(e.name);
    }
    return names;
}

std::unique_ptr<method> make_method(const config::run_config& config) {
    const auto found = std::ranges::find(entries, config.method.name, &entry::name);
    if (found == entries.end()) {
        throw input_error(fmt::format("unknown method \"{}\"", config.method.name), "method.name",
                          fmt::format("choose one of {}", fmt::join(method_names(), ", ")));
    }
    if (config.method.variant == config::variant_kind::authors && !found->has_authors_variant) {
        throw input_error("impossible combination", "method.variant",
                          fmt::format("{} has no variant \"authors\", only {} have one; take \"paper\"{}",
                                      found->name, fmt::join(names_with_authors_variant(), ", "),
                                      config.method.name == "feddip"
                                          ? ", and the settings of fashion-mnist-lenet5-authors.toml"
                                          : ""));
    }
    if (config.adaptation.answer != config::answer_kind::none && !found->answers_alarms) {
        throw input_error("impossible combination", "adaptation.answer",
                          fmt::format("{} knows none, only feddip does; take \"none\"", found->name));
    }
    if (config.adaptation.answer != config::answer_kind::none &&
        config.budget.mode != config::budget_kind::none) {
        throw input_error("impossible combination", "adaptation.answer",
                          "clients with budgets may not have the room that it needs; take \"none\"");
    }
    if (config.drift.kind != config::drift_kind::none && config.analysis.convergence_every > 0) {
        throw input_error(
            "impossible combination", "analysis.convergence_every",
            "it is about a loss that stays the same, which it does not where data drift; set it to 0");
    }
    return found->make(config);
}

} // namespace feddip::fl
