#include "app/idle_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace feddip::app {

namespace {

struct idle_keys {
    std::string_view beginning;
    std::string why;
};

std::vector<idle_keys> switched_off(const config::run_config& c) {
    std::vector<idle_keys> off;
    if (c.attack.kind == "none") {
        off.push_back({"attack.", "attack.kind is \"none\""});
    }
    if (const auto& rule = c.aggregation.rule; rule != "norm_bound" && rule != "centered_clipping") {
        off.push_back({"aggregation.clip", fmt::format("aggregation.rule is \"{}\"", rule)});
    }
    if (c.budget.mode == config::budget_kind::none) {
        off.push_back({"budget.", "budget.mode is \"none\""});
    }
    if (c.drift.kind == config::drift_kind::none) {
        for (const auto* key : {"drift.pattern", "drift.at", "drift.strength", "drift.clients"}) {
            off.push_back({key, "drift.kind is \"none\""});
        }
    }
    if (c.method.name != "feddip") {
        for (const auto* key : {"communication.upload", "sparsity.layer_floor", "sparsity.start_mask"}) {
            off.push_back({key, fmt::format("method.name is \"{}\"", c.method.name)});
        }
    }
    return off;
}

} // namespace

std::vector<std::string> idle_settings(const config::run_config& config) {
    const auto off = switched_off(config);
    const config::run_config defaults;
    std::vector<std::string> sentences;
    for (const auto& [key, usual, now] : config::differences(defaults, config)) {
        const auto found =
            std::ranges::find_if(off, [&](const idle_keys& k) { return key.starts_with(k.beginning); });
        if (found != off.end()) {
            sentences.push_back(fmt::format("{} = {} does nothing: {}", key, now, found->why));
        }
    }
    return sentences;
}

} // namespace feddip::app
