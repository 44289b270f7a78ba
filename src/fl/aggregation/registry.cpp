#include "base/error.hpp"
#include "fl/aggregation/rules.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace feddip::fl {

namespace {

struct entry {
    const char* name;
    std::unique_ptr<aggregation_rule> (*make)(const config::run_config&);
};

constexpr std::array entries{
    entry{"mean", make_mean},
    entry{"median", make_median},
    entry{"trimmed_mean", make_trimmed_mean},
    entry{"krum", make_krum},
    entry{"multi_krum", make_multi_krum},
    entry{"geometric_median", make_geometric_median},
    entry{"centered_clipping", make_centered_clipping},
    entry{"norm_bound", make_norm_bound},
};

void check_server(const config::run_config& config) {
    if (make_method(config)->neighbours() > 0 && config.aggregation.rule != "mean") {
        throw input_error(
            "impossible combination", "aggregation.rule",
            fmt::format("method.name = \"{}\" has no server that could aggregate by it", config.method.name));
    }
}

void check_clients(const aggregation_rule& rule, const config::run_config& config) {
    const auto& [name, hostile, clip] = config.aggregation;
    if (hostile > 0 && name == "mean") { // also that of secure sums and of private updates
        throw input_error("impossible combination", "aggregation.rule",
                          "the mean withstands no hostile client; choose another rule, or hostile = 0");
    }
    if (config.federation.clients_per_round < rule.least_updates(0)) {
        throw input_error("impossible combination", "aggregation",
                          fmt::format("rule = \"{}\" with hostile = {} needs {} clients per round, and "
                                      "federation.clients_per_round is {}; take more, or lower hostile",
                                      name, hostile, rule.least_updates(0),
                                      config.federation.clients_per_round));
    }
}

} // namespace

std::vector<std::string> aggregation_names() {
    std::vector<std::string> names;
    std::ranges::transform(entries, std::back_inserter(names), &entry::name);
    return names;
}

std::unique_ptr<aggregation_rule> make_aggregation_rule(const config::run_config& config) {
    const auto found = std::ranges::find(entries, config.aggregation.rule, &entry::name);
    if (found == entries.end()) {
        throw input_error(fmt::format("unknown rule \"{}\"", config.aggregation.rule), "aggregation.rule",
                          fmt::format("choose one of {}", fmt::join(aggregation_names(), ", ")));
    }
    auto rule = config.privacy.secure_sum ? make_secure_sum(config)
                : config.privacy.clip > 0 ? make_private_mean(config)
                                          : found->make(config);
    check_server(config);
    check_clients(*rule, config);
    return rule;
}

} // namespace feddip::fl
